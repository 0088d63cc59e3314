"""Downloads from a real server that is slow, rude or gone: whole or not at all, and never from the beginning if that can be helped."""

import contextlib
import hashlib
import http.server
import multiprocessing
import resource
import socket
import threading
import time

import pytest

from openrek.errors import ModelDownloadError
from openrek.vision.catalogue import ModelFile
from openrek.vision.download import BLOCK, Patience, download

CONTENT = bytes(range(256)) * 1600  # some six blocks
FILE = ModelFile(name="net.onnx", bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


class Server(http.server.ThreadingHTTPServer):
    """Answers one request after the other by its script, and then as a good server would."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = []
        self.ranges = []
        self.content = CONTENT
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/net.onnx"

    def handle_error(self, *_):
        """A client that hung up is part of the test."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with self.server.lock:
            self.server.ranges.append(self.headers["Range"])
            act = self.server.script.pop(0) if self.server.script else whole
        act(self)

    def log_message(self, *_):
        pass

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    @property
    def first(self):
        return int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))

    def serve(self, most=None):
        """The file from where it is asked for, at most some bytes of it."""
        content, first = self.server.content, self.first
        if self.headers["Range"]:
            self.head(206, Content_Length=len(content) - first, Content_Range=f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.head(200, Content_Length=len(content))
        self.wfile.write(content[first:][:most])


def whole(handler):
    handler.serve()


def cut(most):
    return lambda handler: handler.serve(most)


def status(code, **headers):
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def without_ranges(handler, most=None):
    handler.head(200, Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT[:most])


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def patience(waits):
    return Patience(timeout=5, sleep=waits.append)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    seen = []
    path = download(FILE, tmp_path / "new/folder", [server.url], progress=seen.append)
    assert path == tmp_path / "new/folder/net.onnx"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["net.onnx"]
    assert seen == sorted(set(seen))
    assert seen[-1] == len(CONTENT)
    assert len(seen) >= len(CONTENT) / BLOCK


def test_cut_connections_are_taken_up_where_they_broke(server, tmp_path, patience, waits):
    server.script = [cut(100_000), cut(100_000), cut(0), cut(50_000)]
    assert download(FILE, tmp_path, [server.url], patience=patience).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-", "bytes=200000-", "bytes=250000-"]
    assert len(waits) == 4


def test_a_server_without_ranges_starts_again(server, tmp_path, patience):
    server.script = [cut(100_000), without_ranges]
    assert download(FILE, tmp_path, [server.url], patience=patience).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_without_ranges_that_always_breaks_is_given_up(server, tmp_path, patience):
    server.script = [lambda handler, most=most: without_ranges(handler, most) for most in (1000, 9000, 1000, 9000, 1000, 9000, 1000)]
    with pytest.raises(ModelDownloadError, match="the connection ended after"):
        download(FILE, tmp_path, [server.url], patience=patience)
    assert len(server.ranges) < 7


def test_an_interrupted_download_goes_on_in_the_next_call(server, tmp_path):
    arrived = []

    def interrupt(done):
        arrived.append(done)
        if done > 150_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(FILE, tmp_path, [server.url], progress=interrupt)
    assert names(tmp_path) == ["net.onnx.part"]
    assert download(FILE, tmp_path, [server.url]).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={arrived[-1]}-"]
    assert names(tmp_path) == ["net.onnx"]


def test_a_part_that_is_complete_needs_no_request(server, tmp_path):
    (tmp_path / "net.onnx.part").write_bytes(CONTENT)
    assert download(FILE, tmp_path, [server.url]).read_bytes() == CONTENT
    assert server.ranges == []


@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_part_of_something_else_is_fetched_anew(server, tmp_path, patience, part):
    (tmp_path / "net.onnx.part").write_bytes(part)
    assert download(FILE, tmp_path, [server.url], patience=patience).read_bytes() == CONTENT
    assert server.ranges[-1] is None


def test_a_range_that_cannot_be_satisfied_starts_again(server, tmp_path, patience):
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:1000])
    server.script = [status(416)]
    assert download(FILE, tmp_path, [server.url], patience=patience).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_range_that_was_not_asked_for_is_not_taken(server, tmp_path, patience):
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:1000])

    def another_range(handler):
        handler.head(206, Content_Length=len(CONTENT) - 1000, Content_Range=f"bytes 500-{len(CONTENT) - 501}/{len(CONTENT)}")
        handler.wfile.write(CONTENT[500:-500])

    server.script = [another_range]
    assert download(FILE, tmp_path, [server.url], patience=patience).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_other_content_is_never_given_out(server, tmp_path, patience):
    server.content = CONTENT[::-1]
    with pytest.raises(ModelDownloadError, match=f"what it sends has the SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}"):
        download(FILE, tmp_path, [server.url], patience=patience)
    assert not (tmp_path / "net.onnx").exists()
    assert len(server.ranges) == 1


def test_other_content_that_comes_in_pieces_is_given_up_at_the_second_time(server, tmp_path, patience):
    server.content = CONTENT[::-1]
    server.script = [cut(1000), whole] * 4
    with pytest.raises(ModelDownloadError, match="what it sends has the SHA-256"):
        download(FILE, tmp_path, [server.url], patience=patience)
    assert server.ranges == [None, "bytes=1000-"] * 2
    assert (tmp_path / "net.onnx.part").stat().st_size == 0


def test_a_page_instead_of_the_file_is_told_by_its_length(server, tmp_path, patience):
    server.content = b"<html>Please log in</html>"
    with pytest.raises(ModelDownloadError, match=f"it offers 26 bytes, not {len(CONTENT)}"):
        download(FILE, tmp_path, [server.url], patience=patience)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_final(server, tmp_path, patience, waits, code):
    server.script = [status(code)]
    with pytest.raises(ModelDownloadError, match=f"net.onnx: {code} "):
        download(FILE, tmp_path, [server.url], patience=patience)
    assert (len(server.ranges), waits) == (1, [])


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
def test_a_server_in_trouble_is_asked_again_with_growing_patience(server, tmp_path, patience, waits, code):
    server.script = [status(code)] * 3
    assert download(FILE, tmp_path, [server.url], patience=patience).read_bytes() == CONTENT
    assert waits == [0.5, 1.0, 2.0]
    server.script = [status(code)] * 4
    with pytest.raises(ModelDownloadError, match=rf"{code} .*\(4 tries\)"):
        download(FILE, tmp_path / "other", [server.url], patience=patience)


def test_redirects_are_followed_with_the_range(server, tmp_path):
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:1000])
    server.script = [status(302, Location="/elsewhere")]
    assert download(FILE, tmp_path, [server.url]).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"] * 2


def test_redirects_in_a_circle_end(server, tmp_path, patience):
    server.script = [status(302, Location="/net.onnx")] * 50
    with pytest.raises(ModelDownloadError, match="infinite loop"):
        download(FILE, tmp_path, [server.url], patience=patience)


def test_a_server_that_falls_silent_is_left(server, tmp_path, waits):
    done = threading.Event()

    def silent(handler):
        handler.serve(1000)
        handler.wfile.flush()
        done.wait(30)

    server.script = [silent]
    try:
        path = download(FILE, tmp_path, [server.url], patience=Patience(timeout=0.2, sleep=waits.append))
    finally:
        done.set()
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]


def test_the_next_address_is_tried(server, tmp_path, patience):
    server.script = [status(404)]
    assert download(FILE, tmp_path, [server.url, server.url], patience=patience).read_bytes() == CONTENT


def test_without_a_network_a_person_learns_what_to_do(tmp_path, patience, waits):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/net.onnx"
        (tmp_path / "net.onnx.part").write_bytes(CONTENT[:200_000])
        with pytest.raises(ModelDownloadError) as raised:
            download(FILE, tmp_path, [url], patience=patience)
    message = raised.value.message
    for part in (
        "net.onnx (0.4 MB) could not be downloaded",
        url,
        "refused",
        "0.2 MB have arrived",
        FILE.sha256,
        str(tmp_path),
        "OPENREK_MODELS",
    ):
        assert part in message
    assert len(waits) == 3
    assert (tmp_path / "net.onnx.part").stat().st_size == 200_000


def test_only_web_addresses_are_used(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    with pytest.raises(ModelDownloadError, match="only http and https"):
        download(FILE, tmp_path / "to", [secret.as_uri()])


def test_a_file_that_comes_with_the_package_has_no_address(tmp_path):
    with pytest.raises(ModelDownloadError, match="install openrek again"):
        download(FILE, tmp_path, [])


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelDownloadError, match=r"could not be written to .*OPENREK_CACHE"):
        download(FILE, tmp_path / "file/models", [server.url])


def _fetch_with_little_space(url, folder):
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    with pytest.raises(ModelDownloadError, match=r"File too large.*Free some space"):
        download(FILE, folder, [url])


def test_a_full_disk_is_told_apart_from_the_network(server, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_fetch_with_little_space, args=(server.url, tmp_path))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert len(server.ranges) == 1
    assert (tmp_path / "net.onnx.part").stat().st_size <= 100_000


def test_proxies_of_the_environment_are_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert download(FILE, tmp_path, ["http://models.invalid/net.onnx"]).read_bytes() == CONTENT


def _fetch(url, folder):
    download(FILE, folder, [url])


def test_two_processes_fetch_it_once(server, tmp_path):
    asked, go = threading.Event(), threading.Event()

    def slow(handler):
        asked.set()
        go.wait(30)
        handler.serve()

    server.script = [slow]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_fetch, args=(server.url, tmp_path)) for _ in range(2)]
    for process in processes:
        process.start()
    assert asked.wait(30)
    go.set()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(server.ranges) == 1
    assert names(tmp_path) == ["net.onnx"]


def test_many_threads_fetch_it_once(server, tmp_path):
    server.script = [cut(1000)]
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(download(FILE, tmp_path, [server.url]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "net.onnx"] * 8
    assert server.ranges == [None, "bytes=1000-"]
    assert names(tmp_path) == ["net.onnx"]


def test_a_process_that_is_killed_leaves_a_part_that_goes_on(server, tmp_path):
    sent, done = threading.Event(), threading.Event()

    def stall(handler):
        handler.serve(3 * BLOCK)
        handler.wfile.flush()
        sent.set()
        done.wait(30)

    server.script = [stall]
    process = multiprocessing.get_context("spawn").Process(target=_fetch, args=(server.url, tmp_path))
    process.start()
    try:
        assert sent.wait(30)
        part = tmp_path / "net.onnx.part"
        deadline = time.monotonic() + 30
        while not part.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.join(30)
        held = part.stat().st_size
        assert held > 0
        assert download(FILE, tmp_path, [server.url]).read_bytes() == CONTENT
        assert server.ranges == [None, f"bytes={held}-"]
    finally:
        done.set()
        with contextlib.suppress(ValueError):
            process.kill()
