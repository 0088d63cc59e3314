"""`openrek models`, with a copy of the networks on a local HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from openrek.vision.catalogue import catalogue

NAME, FILE = "yolox-nano", "yolox_nano.onnx"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def mirror(shared: Path) -> Iterator[str]:
    """A server of the folder of networks."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=shared / "models")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def states(openrek: Any, command: str = "list") -> dict[str, str]:
    done = openrek("models", command, "--json")
    assert done.err == ""
    return {model["name"]: model["state"] for model in json.loads(done.out)}


def test_list_pull_verify(mirror: str, openrek: Any) -> None:
    before = states(openrek)
    assert {state for name, state in before.items() if not catalogue().named(name).packaged} == {"missing"}
    table = openrek("models", "list")
    assert table.status == 0
    assert f"openrek models pull {NAME}" in table.out

    done = openrek("models", "pull", NAME, MODEL_MIRROR=mirror)
    pulled = openrek.folder / "cache" / "models" / NAME / FILE
    assert (done.status, done.out, done.err) == (0, "", f"{NAME}: {pulled}\n")
    assert states(openrek) == states(openrek, "verify") == before | {NAME: "present"}
    table = openrek("models", "list")
    assert str(pulled) in table.out
    assert table.err.startswith(f"Labels: answered by {NAME}. More accurate, and slower: openrek models pull ")
    assert openrek("models", "pull", NAME, MODEL_MIRROR="http://127.0.0.1:1").status == 0  # nothing to fetch

    content = bytearray(pulled.read_bytes())
    content[1000] ^= 1
    pulled.write_bytes(content)
    done = openrek("models", "verify")
    assert (done.status, done.err) == (1, "")
    assert "corrupt" in done.out
    assert states(openrek)[NAME] == "corrupt"
    assert openrek("models", "pull", NAME, MODEL_MIRROR=mirror).status == 0
    assert openrek("models", "verify").status == 0


def test_two_at_once_of_which_one_cannot_be_had(mirror: str, openrek: Any) -> None:
    done = openrek("models", "pull", NAME, "yolox-s", MODEL_MIRROR=mirror)
    assert (done.status, done.out) == (1, "")
    assert "404" in done.err
    assert f"{mirror}/yolox-s/" in done.err
    assert "Traceback" not in done.err
    assert states(openrek)[NAME] == "present"


def test_without_a_network(openrek: Any) -> None:
    done = openrek("models", "pull", "yolox-s", MODEL_MIRROR="http://127.0.0.1:1")
    assert done.status == 1
    assert "http://127.0.0.1:1/yolox-s/" in done.err
    assert str(openrek.folder / "cache" / "models" / "yolox-s") in done.err
    assert "Traceback" not in done.err


def test_analysis_without_the_network_that_was_asked_for(openrek: Any) -> None:
    (openrek.folder / "film.mp4").write_text("not looked at")
    done = openrek("analyze", "film.mp4", "--labels", "--model", "yolox-s")
    assert done.status == 1
    assert "openrek models pull yolox-s" in done.err
    assert "Traceback" not in done.err
