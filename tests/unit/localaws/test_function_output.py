"""What functions print and log becomes events, however it comes out of the pipe."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from openrek.localaws.functions.output import LARGEST, Output

NOW = 1_700_000_000_000
TEXT = st.text(alphabet=st.characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=30)


def frame(text: str, milliseconds: int = NOW + 5) -> bytes:
    encoded = text.encode()
    return b"\xa5\x5a\x00\x03" + len(encoded).to_bytes(4, "big") + (milliseconds * 1000).to_bytes(8, "big") + encoded


def read(pieces: list[bytes]) -> list[tuple[int, str]]:
    output = Output(lambda: NOW)
    found = [event for piece in pieces for event in output.feed(piece)]
    return found + output.end()


def test_lines_frames_and_a_rest() -> None:
    data = b"one\ntwo" + frame("a record\nof two lines") + b"three\n" + frame("") + "für".encode()
    assert read([data]) == [
        (NOW, "one\n"),
        (NOW, "two"),
        (NOW + 5, "a record\nof two lines"),
        (NOW, "three\n"),
        (NOW, "für"),
    ]


@given(st.lists(st.tuples(st.booleans(), TEXT), max_size=8), st.lists(st.integers(0, 400), max_size=10))
def test_it_does_not_matter_where_the_pipe_cuts(parts: list[tuple[bool, str]], cuts: list[int]) -> None:
    data = b"".join(frame(text) if framed else text.encode() + b"\n" for framed, text in parts)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    expected = [(NOW + 5, text) if framed else (NOW, f"{text}\n") for framed, text in parts if text or not framed]
    assert read(pieces) == read([data]) == expected


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_at_all(pieces: list[bytes]) -> None:
    found = read(pieces)
    assert all(len(text) <= LARGEST for _, text in found)


def test_long_lines_are_cut() -> None:
    found = read([b"x" * (2 * LARGEST + 10), b"\nnext\n"])
    assert "".join(text for _, text in found) == "x" * (2 * LARGEST + 10) + "\nnext\n"
    assert max(len(text) for _, text in found) == LARGEST


def test_what_only_begins_like_a_frame() -> None:
    data = b"\xa5\x5a\x00\x03\xff\xff\xff\xff" + b"12345678" + b"rest\n"
    assert "".join(text for _, text in read([data])).endswith("rest\n")
