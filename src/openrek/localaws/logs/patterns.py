"""Filter patterns for unstructured log events (CloudWatch Logs user guide, "Filter pattern syntax").

`ERROR timeout` wants both, `?ERROR ?WARN` either, `ERROR -retry` one without the other, and quotes hold a phrase together. Case
matters, and a term may stand inside a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from openrek.localaws.logs.errors import invalid

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)')


def compile_pattern(text: str) -> Callable[[str], bool]:
    """A test of messages.

    Raises
    ------
    ServiceError
        The pattern is malformed, or one for JSON, for fields between spaces, or a regular expression.
    """
    stripped = text.strip()
    if stripped[:1] in ("{", "[", "%"):
        raise invalid("Invalid filter pattern: openrek understands terms, phrases, ? and -, not patterns for JSON or fields, nor %regex%")
    wanted: list[str] = []
    any_of: list[str] = []
    unwanted: list[str] = []
    position = 0
    while position < len(stripped):
        found = _TERM.match(stripped, position)
        if found is None:
            raise invalid("Invalid filter pattern")
        term = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        {"": wanted, "?": any_of, "-": unwanted}[found[1]].append(term)
        position = found.end()

    def passes(message: str) -> bool:
        if any(term in message for term in unwanted) or not all(term in message for term in wanted):
            return False
        # Beside terms that must be there, AWS does not look at those that may.
        return bool(wanted) or not any_of or any(term in message for term in any_of)

    return passes
