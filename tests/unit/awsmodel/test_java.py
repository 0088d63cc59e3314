from __future__ import annotations

from datetime import UTC, datetime

import pytest

from openrek.awsmodel.java import java_text, to_float32
from openrek.awsmodel.shapes import Shape


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("float", 101.0, "101.0"),
        ("float", 100.1, "100.1"),
        ("float", 0.001, "0.001"),
        ("float", 1e-4, "1.0E-4"),
        ("float", 1234567.0, "1234567.0"),
        ("float", 1e7, "1.0E7"),
        ("float", 16777216.0, "1.6777216E7"),
        ("float", -2.5, "-2.5"),
        ("float", 0.0, "0.0"),
        ("float", -0.0, "-0.0"),
        ("double", 100.123456789, "100.123456789"),
        ("double", 1.5e300, "1.5E300"),
        ("integer", -1, "-1"),
        ("boolean", True, "true"),
        ("blob", b"abc", "java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]"),
        ("timestamp", datetime(2017, 11, 16, 20, 49, 24, tzinfo=UTC), "Thu Nov 16 20:49:24 UTC 2017"),
        ("string", "a'b", "a'b"),
    ],
)
def test_values_as_java_prints_them(kind: str, value: object, text: str) -> None:
    assert java_text(Shape("Any", kind), value) == text


def test_float32_is_the_value_on_the_wire() -> None:
    assert to_float32(60.517918) == 60.51791763305664
    with pytest.raises(OverflowError):
        to_float32(1e39)
