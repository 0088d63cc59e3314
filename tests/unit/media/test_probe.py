"""What a file is, and what its owner is told if it is no video."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from media_clips import FRAMES, RATE, Recipe, encode, picture

from openrek.errors import DamagedVideoError, UnsupportedVideoError, VideoError
from openrek.media.frames import VideoReader
from openrek.media.probe import Probe
from openrek.media.probe import probe as probe_file
from openrek.video import AudioFacts

Clip = Callable[[str], Path]


def alive() -> None:
    """Nobody is waiting."""


def probe(path: Path, **limits: int) -> Probe:
    return probe_file(path, alive, **limits)


GENERATED = "media/formats/generated"
FAILS = {
    "empty.mp4": "The file is empty (0 bytes). Upload the video again.",
    "text_as_video.mp4": "The file is text, not a video.",
    "jpeg_as_video.mp4": "The file is a picture (JPEG), not a video.",
    "truncated_no_moov.mp4": (
        "The file ends before its index (moov): it was cut off, or was still being written. Upload the complete file again."
    ),
    "random_bytes.mp4": "The file is not in a video format that can be read. Upload a video, for example H.264 in MP4.",
    "hls_playlist_as.mp4": "The file is a playlist, not a video: it names other files, and those are never opened. Upload the video itself.",
    "ffconcat_as.mp4": "The file is a playlist, not a video: it names other files, and those are never opened. Upload the video itself.",
    "audio_only.mp4": "The file has no video stream: it holds audio only (aac).",
    "audio_only.mp3": "The file has no video stream: it holds audio only (mp3).",
}


def manifest() -> list[str]:
    folder = Path(os.environ.get("OPENREK_SHARED", Path(__file__).resolve().parents[4] / "shared")) / GENERATED
    return sorted(json.loads((folder / "manifest.json").read_text())) if folder.is_dir() else ["h264_aac.mp4"]


@pytest.mark.parametrize("name", manifest())
def test_every_kind_of_file(name: str, shared: Path) -> None:
    """Each file does what the manifest expects of it: its pictures can be read, or its owner is told why not."""
    expected = json.loads((shared / GENERATED / "manifest.json").read_text())[name]["expect"]
    path = shared / GENERATED / name
    refusal = None
    try:
        probed = probe(path, seconds=6 * 3600, frame_pixels=8192 * 8192)
    except VideoError as error:
        refusal = error.message
    if refusal is not None:
        assert "fail" in expected
        assert FAILS.get(name) in (None, refusal)
        assert refusal.endswith(".")
        assert str(path) not in refusal
        return
    assert not expected.startswith("fail:")
    assert name not in FAILS
    facts, packets = probed.facts, probed.packets
    step = max(1, facts.frames // 16)
    with VideoReader(path, packets) as video:
        numbers = []
        for frame in video.frames(range(0, facts.frames, step), alive):
            assert (frame.width, frame.height) == (facts.width, facts.height)
            assert frame.luma(32, 18).shape == (18, 32)
            numbers.append(frame.number)
        if expected.startswith("ok") and "partial" not in expected:
            assert numbers == list(range(0, facts.frames, step))
            assert video.damage.packets == 0
        else:
            assert numbers
    assert facts.audio == () or facts.audio[0].codec in ("aac", "mp2")


def test_facts_of_a_plain_video(shared: Path) -> None:
    facts = probe(shared / GENERATED / "h264_aac.mp4").facts
    assert (facts.codec, facts.format) == ("h264", "QuickTime / MOV")
    assert (facts.width, facts.height, facts.rotation, facts.color_range) == (480, 270, 0, "LIMITED")
    assert (facts.frames, facts.frame_rate, facts.duration_millis) == (42, 14, 3000)
    assert (facts.time_base, facts.start_pts, facts.end_pts) == (Fraction(1, 14336), 0, 41984)
    assert facts.audio == (AudioFacts("aac", 48000, 1, 2986),)


@pytest.mark.parametrize(
    ("name", "rate", "millis"),
    [
        ("formats/generated/vfr.mp4", Fraction(672000, 75287), 4705),
        ("formats/generated/fragmented.mp4", 14, 3000),
        ("formats/generated/live_no_duration.mkv", 14, 3000),
        ("formats/generated/flv1.flv", 14, 3000),
        ("formats/generated/mpeg1.mpg", 25, 1680),
        ("formats/generated/fps120.mp4", 120, 500),
        ("formats/generated/truncated_faststart.mp4", 14, 1142),
        ("formats/generated/long_2h_1fps.mp4", 1, 7_200_000),
        ("formats/torchcodec/animated.gif", 10, 400),
        ("clips/aws_mie/sample-video.mp4", Fraction(30000, 1001), 9030),
        ("clips/pyscenedetect/testvideo.mp4", Fraction(30000, 1001), 24023),
        ("clips/pyscenedetect/delayed_start.mp4", 25, 960),
    ],
)
def test_how_fast_and_how_long(name: str, rate: Fraction, millis: int, shared: Path) -> None:
    facts = probe(shared / "media" / name).facts
    assert (facts.frame_rate, facts.duration_millis) == (rate, millis)


@pytest.mark.parametrize(("name", "rotation"), [("video_0", 0), ("video_90", 90), ("video_180", 180), ("video_270", 270)])
def test_rotation(name: str, rotation: int, shared: Path) -> None:
    facts = probe(shared / "media/formats/decord" / f"{name}.mov").facts
    assert (facts.rotation, facts.width, facts.height) == (rotation, *((320, 568) if rotation % 180 else (568, 320)))


def test_the_default_video_track_is_analysed(shared: Path) -> None:
    path = shared / GENERATED / "two_video_tracks.mkv"
    with av.open(str(path)) as container:
        best = container.streams.best("video")
        assert best is not None
        number = best.index
    assert probe(path).packets.stream == number == 0


def test_cover_art_is_no_video(tmp_path: Path, clip: Clip) -> None:
    jpeg = av.CodecContext.create("mjpeg", "w")
    jpeg.width, jpeg.height, jpeg.pix_fmt, jpeg.time_base = 640, 640, "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture(0, 640, 640), format="bgr24").reformat(format="yuvj420p")
    frame.pts = 0
    cover = bytes((jpeg.encode(frame) + jpeg.encode(None))[0])

    def flac_picture() -> bytes:
        mime = b"image/jpeg"
        return struct.pack(">II", 3, len(mime)) + mime + struct.pack(">I4I", 0, 640, 640, 24, 0) + struct.pack(">I", len(cover)) + cover

    with av.open(str(tmp_path / "plain.flac"), "w") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    plain = (tmp_path / "plain.flac").read_bytes()
    block = flac_picture()
    (tmp_path / "album.flac").write_bytes(plain[:42] + bytes([6]) + len(block).to_bytes(3, "big") + block + plain[42:])
    with av.open(str(tmp_path / "album.flac")) as container:
        assert [stream.type for stream in container.streams] == ["audio", "video"]
    with pytest.raises(UnsupportedVideoError, match=r"audio only \(flac\)"):
        probe(tmp_path / "album.flac")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(64), r"a picture \(PNG\)"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(64), r"a picture \(WebP\)"),
        (b"PK\3\4" + bytes(64), "a ZIP archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"[playlist]\nFile1=http://localhost/x.mp4\n", "a playlist"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "a playlist"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "a playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "a playlist"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x10moov\0\0\0\x08junk", "no video stream"),
        ("Grüße\n".encode() * 2000, "is text"),
    ],
)
def test_what_is_no_video_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "upload.mp4"
    path.write_bytes(content)
    with pytest.raises(UnsupportedVideoError, match=message):
        probe(path)


def test_a_picture_in_a_video_container_is_a_video_but_a_still_gif_is_not(tmp_path: Path, shared: Path) -> None:
    assert probe(shared / GENERATED / "single_frame.mp4").facts.frames == 1
    path = encode(tmp_path / "still.gif", Recipe("", "gif", {}, pix_fmt="rgb8", frames=1))
    with pytest.raises(UnsupportedVideoError, match=r"a picture \(GIF\)"):
        probe(path)


def test_limits(clip: Clip, tmp_path: Path) -> None:
    path = clip("h264_closed.mp4")
    seconds = FRAMES / RATE
    assert probe(path, seconds=2, frame_pixels=192 * 112).facts.frames == FRAMES
    with pytest.raises(UnsupportedVideoError, match=r"The video is 0:00:01 long; at most 0:00:01 is accepted\."):
        probe(path, seconds=int(seconds))
    with pytest.raises(UnsupportedVideoError, match=r"192 x 112 = 21,504 pixels; at most 21,503 are accepted\."):
        probe(path, frame_pixels=192 * 112 - 1)
    # A container that lies about the size of the pictures changes nothing.
    small = clip("h264_open.mkv").read_bytes()
    lying = tmp_path / "lying.mkv"
    lying.write_bytes(
        small.replace(bytes([0xB0, 0x81, 192]), bytes([0xB0, 0x81, 16])).replace(bytes([0xBA, 0x81, 112]), bytes([0xBA, 0x81, 16]))
    )
    assert lying.read_bytes() != small
    with pytest.raises(VideoError):
        probe(lying, frame_pixels=16 * 16)


def test_strict_formats(clip: Clip) -> None:
    assert probe(clip("h264_closed.mp4"), strict=True).facts.codec == "h264"
    for name, found in (("h264_open.mkv", "h264 in Matroska / WebM"), ("hevc_open.mp4", "hevc in QuickTime / MOV")):
        with pytest.raises(UnsupportedVideoError, match=f"The video is {found}; only H.264 in MP4 or MOV is accepted"):
            probe(clip(name), strict=True)


def test_pictures_that_cannot_be_decoded(tmp_path: Path, clip: Clip) -> None:
    whole = clip("h264_closed.mp4").read_bytes()
    start = whole.index(b"mdat") + 4
    end = whole.index(b"moov") - 4
    path = tmp_path / "noise.mp4"
    path.write_bytes(whole[:start] + b"\xff" * (end - start) + whole[end:])
    with pytest.raises(DamagedVideoError, match="No picture at the beginning of the video can be decoded"):
        probe(path)


class _Listening(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that writes down what it is asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Listening,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def _box(kind: bytes, *content: bytes) -> bytes:
    payload = b"".join(content)
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def test_no_file_makes_us_open_another_one(tmp_path: Path, clip: Clip, listener: tuple[str, list[str]]) -> None:
    url, asked = listener
    victim = clip("h264_closed.mp4")
    playlists = {
        "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}/a.ts\n#EXTINF:10,\nfile://{victim}\n#EXT-X-ENDLIST\n",
        "hls.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{victim}\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{victim}'\n",
        "dash.mpd": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet mimeType="video/mp4">'
            f'<Representation id="1" bandwidth="1"><BaseURL>{url}/b.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>'
        ),
        "session.sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {url.rpartition(':')[2]} RTP/AVP 96\n",
    }
    for name, text in playlists.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(UnsupportedVideoError, match="playlist"):
            probe(path)

    # A movie whose samples lie in another file, by URL or by path.
    whole = victim.read_bytes()
    reference = _box(b"url ", bytes(4), f"{url}/c.mp4".encode() + b"\0")
    own = _box(b"url ", bytes([0, 0, 0, 1]))
    assert own in whole
    elsewhere = tmp_path / "elsewhere.mov"
    grown = len(reference) - len(own)
    changed = whole.replace(own, reference)
    for kind in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = changed.index(kind)
        changed = changed[: at - 4] + struct.pack(">I", struct.unpack(">I", changed[at - 4 : at])[0] + grown) + changed[at:]
    elsewhere.write_bytes(changed)
    with contextlib.suppress(VideoError):
        probe(elsewhere)
    assert asked == []


def test_the_name_of_a_file_is_never_an_address(tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.mp4|b.mp4", "-f.mp4", "http:x.mp4", "señal ✓ (1) %d.mp4"):
        Path(name).write_bytes(clip("h264_closed.mp4").read_bytes())
        assert probe(Path(name)).facts.frames == FRAMES


def test_alive_is_called_and_may_stop_the_probe(shared: Path) -> None:
    class StopError(Exception):
        pass

    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise StopError

    with pytest.raises(StopError):
        probe_file(shared / GENERATED / "long_2h_1fps.mp4", stop)
