"""What a file is that is no video: a sentence for its owner."""

from __future__ import annotations

from pathlib import Path

_PICTURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\1\0", "ICO"),
    (b"8BPS", "PSD"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
)
_PLAYLISTS = (b"#extm3u", b"ffconcat version", b"[playlist]", b"[reference]", b"<smil", b"<asx", b"v=0\no=", b"v=0\r\no=")
_OTHERS = ((b"PK\3\4", "a ZIP archive"), (b"\x1f\x8b", "a gzip archive"), (b"%PDF", "a PDF document"), (b"\x7fELF", "a program"))
_BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx", b"uuid"))
HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"MiHE"))
"""Major brands of files that hold pictures; FFmpeg opens them as MP4."""
_HEAD = 4096


def explain(path: Path) -> str:
    """Why a file that FFmpeg does not open is no video, and what to do."""
    size = path.stat().st_size
    if size == 0:
        return "The file is empty (0 bytes). Upload the video again."
    with path.open("rb") as file:
        head = file.read(_HEAD)
    lower = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if lower.startswith(_PLAYLISTS) or (lower.startswith(b"<") and b"<mpd" in lower):
        return "The file is a playlist, not a video: it names other files, and those are never opened. Upload the video itself."
    if picture := _still_picture(head):
        return f"The file is a picture ({picture}), not a video."
    if other := next((name for magic, name in _OTHERS if head.startswith(magic)), None):
        return f"The file is {other}, not a video."
    if head[4:8] in _BOXES:
        if b"moov" not in _boxes(path, size):
            return "The file ends before its index (moov): it was cut off, or was still being written. Upload the complete file again."
        return "The file's index (moov) is damaged. Upload the file again."
    if _is_text(head):
        return "The file is text, not a video."
    return "The file is not in a video format that can be read. Upload a video, for example H.264 in MP4."


def _still_picture(head: bytes) -> str | None:
    """The format of a picture whose first bytes these are."""
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        return "HEIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    return next((name for magic, name in _PICTURES if head.startswith(magic)), None)


def _boxes(path: Path, size: int) -> set[bytes]:
    """The types of the MP4 boxes at the top level."""
    found: set[bytes] = set()
    position = 0
    with path.open("rb") as file:
        while position + 8 <= size and len(found) < 64:
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8 or position + length > size:
                break
            found.add(header[4:8])
            position += length
    return found


def _is_text(head: bytes) -> bool:
    try:
        # A character may be cut at the end.
        text = head.decode("utf-8", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        return False
    return len(text) > len(head) // 2 and all(character.isprintable() or character in "\t\r\n\f" for character in text)
