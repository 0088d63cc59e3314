"""Models are found by their content, in the documented order, and what is missing is named so that a person can fetch it."""

import hashlib
import http.server
import os
import shutil
import threading
from functools import partial

import pytest

from openrek.errors import ModelCorruptError, ModelError, ModelNotFoundError
from openrek.settings import Settings
from openrek.vision.catalogue import Catalogue, ModelEntry
from openrek.vision.library import DEEPEST, ModelLibrary


def content(name):
    return f"the weights of {name}".encode()


def entry(name, *, files=None, **changes):
    files = files or {f"{name}.onnx": content(name)}
    facts = {
        "name": name,
        "role": "objects",
        "version": f"{name}-1",
        "licence": "MIT",
        "author": "us",
        "homepage": "https://example.org/us",
        "training_data": "ours",
        "decoder": "yolox",
        "vocabulary": "coco-80",
        "input": {"side": 64},
        "files": [
            {"name": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "urls": [f"https://example.org/{file}"]}
            for file, data in files.items()
        ],
        "accuracy": [{"measure": "AP", "data": "some", "value": 0.5, "measured_by": "us"}],
    }
    return ModelEntry.model_validate(facts | changes)


@pytest.fixture
def catalogue():
    return Catalogue(models=(entry("best", unreported=(3,)), entry("good"), entry("free", licence="AGPL-3.0-only")))


@pytest.fixture
def library(tmp_path, catalogue):
    (tmp_path / "packaged").mkdir()
    return ModelLibrary((tmp_path / "mine",), tmp_path / "cache", catalogue=catalogue, packaged=tmp_path / "packaged")


def put(folder, name, data=None):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content(name.removesuffix(".onnx")) if data is None else data)
    return path


def test_the_best_model_that_is_there_is_chosen(library, tmp_path):
    put(tmp_path / "packaged", "good.onnx")
    assert library.choose("objects").name == "good"
    put(tmp_path / "cache/models/best", "best.onnx")
    chosen = library.choose("objects")
    assert (chosen.name, chosen.version, chosen.vocabulary, chosen.unreported) == ("best", "best-1", "coco-80", (3,))
    assert chosen.sha256 == hashlib.sha256(content("best")).hexdigest()
    assert library.choose("objects", "good").name == "good"


def test_places_are_searched_in_order(library, tmp_path):
    sha256 = library.catalogue.named("good").sha256
    for folder in ("packaged", "cache/models/good", "mine/deep/er"):
        path = put(tmp_path / folder, "good.onnx")
        assert library.locate(sha256) == (path,)


def test_a_file_is_known_by_its_content_whatever_its_name(library, tmp_path):
    path = put(tmp_path / "mine", "downloaded (3).bin", content("good"))
    assert library.locate(library.catalogue.named("good").sha256) == (path,)


def test_a_download_that_goes_on_is_no_model_yet(library, tmp_path):
    put(tmp_path / "cache/models/good", "good.onnx.part", content("good"))
    with pytest.raises(ModelNotFoundError):
        library.choose("objects", "good")


def test_a_link_to_a_file_is_followed_and_a_link_to_a_folder_is_not(library, tmp_path):
    sha256 = library.catalogue.named("good").sha256
    blob = put(tmp_path / "elsewhere", "blob", content("good"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/loop").symlink_to(tmp_path / "mine")
    (tmp_path / "mine/folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelNotFoundError):
        library.locate(sha256)
    (tmp_path / "mine/good.onnx").symlink_to(blob)
    assert library.locate(sha256) == (tmp_path / "mine/good.onnx",)


def test_the_search_does_not_go_too_deep(library, tmp_path):
    sha256 = library.catalogue.named("good").sha256
    put(tmp_path / "mine" / "/".join("x" * DEEPEST), "good.onnx")
    with pytest.raises(ModelNotFoundError):
        library.locate(sha256)
    path = put(tmp_path / "mine" / "/".join("x" * (DEEPEST - 1)), "good.onnx")
    assert library.locate(sha256) == (path,)


def test_the_search_ends_in_a_folder_of_very_many_files(library, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("openrek.vision.library.MOST_ENTRIES", 10)
    for i in range(12):
        put(tmp_path / "mine", f"a{i:02}", b"")
    put(tmp_path / "mine", "good.onnx")
    put(tmp_path / "packaged", "good.onnx")
    assert library.locate(library.catalogue.named("good").sha256) == (tmp_path / "packaged/good.onnx",)
    assert "more than 10 files" in caplog.text


def test_every_file_of_a_model_must_be_there(tmp_path):
    model = entry("pair", files={"pair.xml": b"<net/>", "pair.bin": b"weights"})
    library = ModelLibrary((tmp_path,), tmp_path / "cache", catalogue=Catalogue(models=(model,)), packaged=tmp_path / "packaged")
    weights = put(tmp_path / "a", "pair.bin", b"weights")
    with pytest.raises(ModelNotFoundError, match=r"By hand: pair\.xml") as raised:
        library.choose("objects")
    assert "pair.bin" not in raised.value.message
    graph = put(tmp_path / "b", "pair.xml", b"<net/>")
    assert library.locate(library.choose("objects").sha256) == (graph, weights)


def test_what_is_missing_is_named_with_all_that_it_takes_to_fetch_it(library, tmp_path):
    with pytest.raises(ModelNotFoundError) as raised:
        library.choose("objects", "good")
    message = raised.value.message
    for part in (
        'The model "good" is not on this machine',
        "good.onnx",
        "https://example.org/good.onnx",
        hashlib.sha256(content("good")).hexdigest(),
        str(tmp_path / "mine"),
        str(tmp_path / "cache" / "models"),
        str(tmp_path / "packaged"),
        "openrek models pull good",
    ):
        assert part in message


def test_without_any_model_the_best_one_is_asked_for_and_the_others_are_named(library):
    with pytest.raises(ModelNotFoundError, match=r'No model of the role "objects".*best, good') as raised:
        library.choose("objects")
    assert "openrek models pull best" in raised.value.message


def test_a_model_of_another_role_or_an_unknown_one_is_refused(library):
    with pytest.raises(ModelNotFoundError, match='is of the role "objects"'):
        library.choose("faces", "good")
    with pytest.raises(ModelNotFoundError, match='no model of the role "faces"'):
        library.choose("faces")
    with pytest.raises(ModelNotFoundError, match='no model "other"'):
        library.choose("objects", "other")


@pytest.mark.parametrize("data", [b"short", b"THE weights of good"])
def test_a_damaged_file_is_not_used_and_is_named(library, tmp_path, data):
    path = put(tmp_path / "mine", "good.onnx", data)
    with pytest.raises(ModelCorruptError) as raised:
        library.choose("objects", "good")
    assert f"{path} has its name, but other content" in raised.value.message
    states = {report.entry.name: report.state for report in library.inventory()}
    assert states == {"best": "missing", "good": "corrupt", "free": "missing"}
    put(tmp_path / "packaged", "good.onnx")
    assert library.choose("objects", "good").name == "good"


def test_the_inventory_says_where_everything_is(library, tmp_path):
    mine, packaged = put(tmp_path / "mine", "best.onnx"), put(tmp_path / "packaged", "good.onnx")
    reports = {report.entry.name: report for report in library.inventory()}
    assert [reports[name].state for name in ("best", "good", "free")] == ["present", "present", "missing"]
    assert (reports["best"].files[0].path, reports["best"].files[0].origin) == (mine, "folder")
    assert (reports["good"].files[0].path, reports["good"].files[0].origin) == (packaged, "package")


def hashed_files(monkeypatch):
    """Names of the files that are read to be hashed from now on."""
    names = []
    real = hashlib.file_digest

    def spy(file, name):
        names.append(os.path.basename(file.name))
        return real(file, name)

    monkeypatch.setattr("openrek.vision.digests.hashlib.file_digest", spy)
    return names


def test_a_file_is_hashed_once_even_across_processes(library, tmp_path, monkeypatch):
    path = put(tmp_path / "mine", "good.onnx")
    hashed = hashed_files(monkeypatch)
    library.choose("objects")
    library.choose("objects")
    another = ModelLibrary(library.folders, library.cache, catalogue=library.catalogue, packaged=library.packaged)
    another.choose("objects")
    assert hashed == ["good.onnx"]
    os.utime(path, ns=(1, 1))
    another.choose("objects")
    assert hashed == ["good.onnx"] * 2
    assert another.verify()[1].state == "present"
    assert hashed == ["good.onnx"] * 3


def test_a_file_that_was_changed_is_seen_to_have_changed(library, tmp_path):
    path = put(tmp_path / "mine", "good.onnx")
    library.choose("objects")
    new = put(tmp_path / "mine", "new", content("good").upper())
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    new.replace(path)
    with pytest.raises(ModelNotFoundError):
        library.choose("objects")


def test_verify_reads_what_was_changed_behind_its_back(library, tmp_path):
    path = put(tmp_path / "mine", "good.onnx")
    library.choose("objects")
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(content("good").upper())
    os.utime(path, ns=times)
    assert library.choose("objects").name == "good"
    assert {report.entry.name: report.state for report in library.verify()}["good"] == "corrupt"
    with pytest.raises(ModelNotFoundError):
        library.choose("objects")


def test_a_broken_memory_of_hashes_costs_nothing_but_time(library, tmp_path, monkeypatch):
    put(tmp_path / "mine", "good.onnx")
    hashed = hashed_files(monkeypatch)
    library.cache.mkdir()
    for broken in ("{", "[]", '"x"'):
        (library.cache / "digests.json").write_text(broken)
        ModelLibrary(library.folders, library.cache, catalogue=library.catalogue, packaged=library.packaged).choose("objects")
    assert hashed == ["good.onnx"] * 3


def test_a_cache_that_cannot_be_written_is_no_obstacle(library, tmp_path):
    put(tmp_path / "mine", "good.onnx")
    library.cache.write_text("a file where the folder should be")
    assert library.choose("objects").name == "good"


def test_a_licence_that_surprises_is_never_a_default(library, tmp_path):
    put(tmp_path / "mine", "free.onnx")
    with pytest.raises(ModelNotFoundError, match="best, good"):
        library.choose("objects")
    assert library.choose("objects", "free").name == "free"
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(ModelError, match=r"free is under AGPL-3.0-only.*--accept-licence AGPL-3.0-only"):
        library.pull("free")
    with pytest.raises(ModelError, match="is under AGPL"):
        library.pull("free", accept_licence="MIT")


@pytest.fixture
def mirror(tmp_path):
    """A server of files that anybody has in a cache: what `python -m http.server` makes of it."""
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "mirror"))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", requests
    server.shutdown()
    thread.join()
    server.server_close()


def test_pull_fetches_what_is_missing_and_only_that(tmp_path, mirror):
    url, requests = mirror
    model = entry("pair", files={"pair.xml": b"<net/>", "pair.bin": b"weights"})
    library = ModelLibrary((tmp_path / "mine",), tmp_path / "cache", url, Catalogue(models=(model,)), tmp_path / "packaged")
    weights = put(tmp_path / "mine", "pair.bin", b"weights")
    put(tmp_path / "mirror/pair", "pair.xml", b"<net/>")
    seen = []
    fetched = library.pull("pair", lambda done, total: seen.append((done, total)))
    assert fetched == (tmp_path / "cache/models/pair/pair.xml", weights)
    assert fetched[0].read_bytes() == b"<net/>"
    assert requests == ["/pair/pair.xml"]
    assert seen == [(13, 13)]
    assert library.locate(library.choose("objects").sha256) == fetched
    assert library.pull("pair") == fetched
    assert requests == ["/pair/pair.xml"]


def test_the_settings_name_folders_cache_and_mirror(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENREK_MODELS", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")
    monkeypatch.setenv("OPENREK_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("OPENREK_MODEL_MIRROR", "https://mirror.example.org/models")
    library = ModelLibrary.of(Settings())
    assert library.folders == (tmp_path / "a", tmp_path / "b")
    assert (library.cache, library.mirror) == (tmp_path / "c", "https://mirror.example.org/models")
    monkeypatch.delenv("OPENREK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert ModelLibrary.of(Settings()).cache == tmp_path / "xdg/openrek"
