"""What a person is told when a command fails: one line, and never a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from openrek.cli import jobs
from openrek.db import Database

NO_DATABASE = "Look at OPENREK_DATABASE, or at openrek.db and localaws.db in the data folder."


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "Could not parse SQLAlchemy URL"),
        ("bogus://host/name", "Can't load plugin: sqlalchemy.dialects:bogus"),
        ("postgresql+psycopg://nobody@127.0.0.1:1/name", 'connection to server at "127.0.0.1", port 1 failed'),
    ],
)
@pytest.mark.parametrize("command", [["jobs", "list"], ["serve", "--port", "0"]], ids=" ".join)
def test_a_database_that_is_not_there(url: str, told: str, command: list[str], openrek: Any) -> None:
    (openrek.folder / ".openrek").mkdir()
    done = openrek(*command, DATABASE=url)
    assert done.status == 1
    assert done.complaint.startswith("The database cannot be used: ")
    assert told in done.complaint
    assert done.complaint.endswith(NO_DATABASE)


def test_an_address_that_is_none(openrek: Any) -> None:
    done = openrek("functions", "list", "--endpoint", "nonsense")
    assert (done.status, done.complaint.partition(",")[0]) == (1, "nonsense is not the address of a server")


@pytest.mark.parametrize("command", [["jobs", "list"], ["serve", "--port", "0"]], ids=" ".join)
def test_a_file_that_is_no_database(command: list[str], openrek: Any) -> None:
    (openrek.folder / ".openrek").mkdir()
    (openrek.folder / ".openrek" / "openrek.db").write_text("anything else, and long enough to be looked at" * 10)
    done = openrek(*command)
    assert done.status == 1
    assert done.complaint == f"The database cannot be used: file is not a database. {NO_DATABASE}"


def test_a_driver_that_is_not_installed(openrek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(jobs, "Database", refuse)
    done = openrek("jobs", "list", DATABASE="postgresql+psycopg://host/name")
    assert done.complaint == "OPENREK_DATABASE: PostgreSQL is postgresql+psycopg://…, and needs: pip install 'openrek[postgres]'"


def test_a_database_of_a_newer_version(openrek: Any) -> None:
    data = openrek.folder / ".openrek"
    with Database(f"sqlite:///{data / 'openrek.db'}", "jobs") as database:
        database.migrate()
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    done = openrek("jobs", "list")
    assert done.status == 1
    assert "The database is at migration 9999" in done.complaint
    done = openrek("serve", "--port", "0")
    assert done.status == 1
    assert done.complaint.startswith("A newer version of openrek has worked with this database: ")


@pytest.mark.parametrize(("name", "reason"), [("file", "File exists"), ("file/below", "Not a directory")])
def test_a_data_folder_that_is_none(name: str, reason: str, openrek: Any) -> None:
    (openrek.folder / "file").touch()
    done = openrek("serve", "--port", "0", "--data", name)
    assert (done.status, done.complaint) == (1, f"{name} cannot be the data folder: {reason}. Name another one: --data DIR.")


def test_no_server_has_been_here(openrek: Any) -> None:
    for command in (["jobs", "list"], ["jobs", "show", "abc"]):
        done = openrek(*command, "--data", "nowhere")
        assert done.status == 1
        assert done.complaint == "No server has worked in nowhere yet. Name the folder of yours: --data DIR, or OPENREK_DATA."
    assert not (openrek.folder / "nowhere").exists()


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"PORT": "abc"}, ["Setting port: Input should be a valid integer, unable to parse string as an integer"]),
        ({"LABELS__RATE": "3"}, ["Setting labels.rate: Extra inputs are not permitted"]),
        (
            {"LABELS__SAMPLING_RATE": "0", "ACCOUNT": "me"},
            ["Setting account: String should match pattern '^\\d{12}$'", "Setting labels.sampling_rate: Input should be greater than 0"],
        ),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, str], lines: list[str], openrek: Any) -> None:
    done = openrek("jobs", "list", **settings)
    assert (done.status, done.out, sorted(done.err.splitlines())) == (2, "", lines)


def test_a_file_of_settings_that_is_none(openrek: Any) -> None:
    (openrek.folder / "openrek.toml").write_text("port = = 3")
    done = openrek("models", "list")
    assert (done.status, done.complaint) == (2, "openrek.toml is not TOML: Invalid value (at line 1, column 8).")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["bogus"], "No such command 'bogus'."),
        (["analyze", "film.mp4"], "say what to look for: --labels"),
        (["analyze", "no-such-film.mp4", "--labels"], "file 'no-such-film.mp4' does not exist."),
        (["analyze", ".", "--labels"], "file '.' is a directory."),
        (["analyze", "film.mp4", "--labels", "--min-confidence", "101"], "Invalid value for '--min-confidence'"),
        (["analyze", "film.mp4", "--labels", "--min-confidence", "nan"], "Invalid value for '--min-confidence'"),
        (["analyze", "film.mp4", "--labels", "--rate", "0"], "Invalid value for '--rate'"),
        (["analyze", "film.mp4", "--labels", "--annotate", "film.mp4"], "film.mp4 is the video itself"),
        (["analyze", "film.mp4", "--labels", "--annotate", "nowhere/boxes.mp4"], "is there a folder nowhere, and is it yours?"),
        (["jobs", "list", "--state", "DONE"], "Invalid value for '--state'"),
        (["jobs", "list", "--limit", "0"], "Invalid value for '--limit'"),
        (["models", "pull"], "Missing argument"),
    ],
    ids=" ".join,
)
def test_what_is_asked_in_the_wrong_way(arguments: list[str], told: str, openrek: Any) -> None:
    (openrek.folder / "film.mp4").write_text("not looked at")
    done = openrek(*arguments)
    assert (done.status, done.out) == (2, "")
    assert told in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err


def test_a_model_that_the_catalogue_does_not_have(openrek: Any) -> None:
    (openrek.folder / "film.mp4").write_text("not looked at")
    for command in (["models", "pull", "yolo"], ["analyze", "film.mp4", "--labels", "--model", "yolo"]):
        done = openrek(*command)
        assert done.status == 1
        assert done.complaint.startswith('The catalogue has no model "yolo". It has: ')


@pytest.mark.parametrize(
    ("name", "told"),
    [("text_as_video.mp4", "The file is text, not a video."), ("empty.mp4", "The file is empty (0 bytes). Upload the video again.")],
)
def test_what_is_no_video(name: str, told: str, shared: Path, openrek: Any) -> None:
    video = openrek.folder / "film.mp4"
    shutil.copyfile(shared / "media/formats/generated" / name, video)
    done = openrek("analyze", "film.mp4", "--labels", "--json", "--annotate", "boxes.mp4", MODELS=shared / "models", WORKER__CORES="1")
    assert (done.status, done.complaint) == (1, told)
    assert not (openrek.folder / "boxes.mp4").exists()


def test_what_nobody_foresaw_is_not_hidden(openrek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: Any) -> None:
        raise ArithmeticError("a bug")

    monkeypatch.setattr(jobs, "_database", break_down)
    with pytest.raises(ArithmeticError, match="a bug"):
        openrek("jobs", "list")
