"""The models' patterns: Java regular expressions, translated to Python's and matched against the whole value."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from dataclasses import dataclass

_LINE_ENDS = "\\n\\r\\x85\\u2028\\u2029"
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": "\\x00-\\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": "!-/:-@\\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": " \\t",
    "Cntrl": "\\x00-\\x1f\\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": " \\t\\n\\x0b\\f\\r",
}
_UNBOUNDED = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|([*+]|\{\d*,\})")
_LONGEST_BACKTRACKING = 2048
"""Characters. A pattern with several open repetitions takes polynomial time; no value that AWS accepts for one is longer."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of a service model, ready to match."""

    expression: re.Pattern[str]
    backtracks: bool

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        if self.backtracks and len(text) > _LONGEST_BACKTRACKING:
            return False
        return self.expression.fullmatch(text) is not None


@functools.cache
def compile_pattern(java: str) -> Pattern:
    """The pattern that means in Python what `java` means in Java.

    Raises
    ------
    ValueError
        It uses what the translation does not know.
    """
    repetitions = sum(1 for found in _UNBOUNDED.finditer(java) if found[1])
    return Pattern(re.compile(_Translation(java).run(), re.ASCII), repetitions > 1)


class _Translation:
    """One walk over a Java pattern."""

    def __init__(self, java: str) -> None:
        self._java = java
        self._at = 0

    def run(self) -> str:
        parts = []
        while self._at < len(self._java):
            character = self._next()
            if character == "\\":
                text, is_class = self._escape()
                parts.append(f"[{text}]" if is_class else text)
            elif character == "[":
                parts.append(self._class())
            elif character == ".":
                parts.append(f"[^{_LINE_ENDS}]")
            elif character == "$":
                parts.append(f"(?=(?:\\r\\n|[{_LINE_ENDS}])?\\Z)")
            elif character == "(" and self._java.startswith("?<", self._at) and self._java[self._at + 2] not in "=!":
                self._at += 2
                parts.append("(?P<")
            else:
                parts.append(character)
        return "".join(parts)

    def _next(self) -> str:
        if self._at >= len(self._java):
            raise ValueError(f"the pattern ends too early: {self._java}")
        character = self._java[self._at]
        self._at += 1
        return character

    def _escape(self) -> tuple[str, bool]:
        """What follows a backslash, in Python's spelling, and whether it is a set (to stand in brackets)."""
        character = self._next()
        if character in "pP":
            name = self._property()
            if character == "P":
                raise ValueError(f"a negated property: {self._java}")
            return name, True
        if character == "u":
            digits = self._java[self._at : self._at + 4]
            self._at += 4
            return f"\\u{digits}", False
        if character == "x":
            digits = self._java[self._at : self._at + 2]
            self._at += 2
            return f"\\x{digits}", False
        if character in "dDwWsSbBtnrf" or character.isdigit():
            return f"\\{character}", False
        if character.isalpha():
            raise ValueError(f"the escape \\{character}: {self._java}")
        return re.escape(character), False

    def _property(self) -> str:
        if self._next() != "{":
            return _category(self._java[self._at - 1])
        end = self._java.index("}", self._at)
        name = self._java[self._at : end].removeprefix("Is")
        self._at = end + 1
        return _POSIX.get(name) or _category(name)

    def _class(self) -> str:
        """A bracket expression. A hyphen after a range or a set is a hyphen, which Python would not have."""
        negated = self._java.startswith("^", self._at)
        self._at += negated
        parts: list[str] = []
        while not self._java.startswith("]", self._at):
            if self._java.startswith(("[", "&&"), self._at):
                raise ValueError(f"a class within a class: {self._java}")
            text, is_set = self._class_item()
            following = self._java[self._at + 1 : self._at + 2]
            if not is_set and self._java.startswith("-", self._at) and following not in {"]", "["}:
                self._at += 1
                end, end_is_set = self._class_item()
                text += f"\\-{end}" if end_is_set else f"-{end}"
            parts.append(text)
        self._at += 1
        return f"[{'^' if negated else ''}{''.join(parts)}]"

    def _class_item(self) -> tuple[str, bool]:
        character = self._next()
        if character != "\\":
            return (character if character.isalnum() else f"\\u{ord(character):04x}"), False
        text, is_set = self._escape()
        return text, is_set or text[1:] in {"d", "D", "w", "W", "s", "S"}


@functools.cache
def _category(name: str) -> str:
    """Ranges of all characters of a Unicode category or group of categories, to stand in brackets."""
    ranges = [span for category, spans in _categories().items() if category.startswith(name) for span in spans]
    if not ranges:
        raise ValueError(f"no characters of category {name}")
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in sorted(ranges))


@functools.cache
def _categories() -> dict[str, list[tuple[int, int]]]:
    """Ranges by category, of the planes that have characters of a script (not of private use)."""
    found: dict[str, list[tuple[int, int]]] = {}
    for plane in (range(0x40000), range(0xE0000, 0xE0200)):
        for category, codes in itertools.groupby(plane, lambda code: unicodedata.category(chr(code))):
            if not category.startswith("C"):
                run = list(codes)
                found.setdefault(category, []).append((run[0], run[-1]))
    return found
