"""A stranger's file, opened with FFmpeg on a short leash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext

from openrek.errors import DamagedVideoError, UnsupportedVideoError
from openrek.media import signatures

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,mxf,gxf,nut,rm,wtv,nsv,ivf,obu,av1,dv,gif,yuv4mpegpipe,"
    "h264,hevc,vvc,h263,h261,m4v,mpegvideo,mjpeg,vc1,dirac,cavsvideo,"
    "mp3,wav,w64,aac,ac3,eac3,flac,aiff,au,caf,amr,dts,wv,ape,tta"
)
"""What FFmpeg may take a file for: containers and raw streams. No playlists, no image sequences, no devices, no text."""
LARGEST_PICTURE = 2**28
"""Pixels of a picture that FFmpeg may allocate where the caller sets no limit."""
DEMUX_FAILURES = 32
"""Failed reads in a row after which a file counts as read to its end."""
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def open_file(path: Path, frame_pixels: int = 0) -> InputContainer:
    """Open a video file; nothing but this file is read.

    Parameters
    ----------
    frame_pixels
        Pixels of the largest picture that is decoded while FFmpeg looks into the streams; 0 is `LARGEST_PICTURE`.

    Raises
    ------
    UnsupportedVideoError
        The file is nothing that FFmpeg can open, with a sentence that says what it is.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": DEMUXERS,
        "enable_drefs": "0",
        "use_absolute_path": "0",
        "max_pixels": str(frame_pixels or LARGEST_PICTURE),
        "threads": "1",
    }
    try:
        return av.open(f"file:{path.absolute()}", mode="r", options=options, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise UnsupportedVideoError(signatures.explain(path)) from error


def streams(container: InputContainer, kind: str) -> list[Stream]:
    """The streams of a kind ("video", "audio") that can be decoded; cover art and thumbnails are no video."""
    return [s for s in container.streams if s.type == kind and s.codec_context is not None and not s.disposition & _STILL]


def packets(container: InputContainer, wanted: tuple[Stream, ...], failed: Callable[[FFmpegError], None]) -> Iterator[Packet[Stream]]:
    """Every packet of some streams that holds data, in file order, from where the container stands.

    A read that fails is reported and passed over, which `container.demux` alone does not do.
    """
    failures = 0
    while failures < DEMUX_FAILURES:
        try:
            for packet in container.demux(wanted):
                # FFmpeg takes an empty packet for the end of the stream, and PyAV ends with one.
                if packet.size:
                    failures = 0
                    yield packet
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            failures += 1
            failed(error)
        except IndexError:
            # After the last packet, PyAV stumbles over streams that showed up only while it was reading.
            return
        else:
            return


def decoder(stream: Stream, frame_pixels: int = 0, threads: int = 1, *, strict: bool = False) -> VideoCodecContext:
    """The decoder of a video stream, opened: no picture larger than `frame_pixels` (0: `LARGEST_PICTURE`), so many threads.

    A strict one fails where others repair a picture and say nothing.

    Raises
    ------
    DamagedVideoError
        The stream's header is damaged, or not what it was. A strict decoder refuses where another may not; open the file again to try.
    """
    context = stream.codec_context
    if not isinstance(context, VideoCodecContext):
        raise DamagedVideoError("The video has changed while it was read. Start again.")
    context.thread_count = threads
    context.thread_type = "FRAME" if threads > 1 else "SLICE"
    context.options = {"max_pixels": str(frame_pixels or LARGEST_PICTURE)} | ({"err_detect": "explode"} if strict else {})
    try:
        # libdav1d looks at `skip_frame` when it is opened, and never again; so decoders are opened before it is set.
        context.open()
    except FFmpegError as error:
        reason = error.strerror or str(error)
        raise DamagedVideoError(
            f"The video's header is damaged: its decoder does not accept it ({reason}). Upload the file again."
        ) from error
    return context
