from __future__ import annotations

import pytest
from botocore.loaders import Loader

from openrek.awsmodel.patterns import compile_pattern

SERVED = ("rekognition", "sqs", "sns", "iam", "sts", "s3", "lambda", "logs")
PATTERNS = sorted(
    {
        shape["pattern"]
        for name in SERVED
        for shape in Loader().load_service_model(name, "service-2")["shapes"].values()
        if "pattern" in shape
    }
)


@pytest.mark.parametrize("java", PATTERNS)
def test_every_served_pattern_compiles_and_ends(java: str) -> None:
    pattern = compile_pattern(java)
    for unit in ("a", "0", "-", "a-", "/", "a/", " ", "arn:aws:sns:", ":aaaaaaaaaaaa", "a.", "A0_", "é"):
        for end in ("", "\n", "\0"):
            text = unit * (4096 // len(unit)) + end
            assert isinstance(pattern.matches(text[-2048:]), bool)
            assert isinstance(pattern.matches(text), bool)


@pytest.mark.parametrize(
    ("java", "accepted", "refused"),
    [
        ("^[a-zA-Z0-9-_]+$", ["a-b_9"], ["", "a b", "a\n", "ä", "a+b"]),  # Python alone: "-_" after a range
        ("[\\w-_]*", ["", "a-b_"], ["a.b", "ä", "٣"]),  # Python alone: a bad range
        ("[\\w+=,.@-]+", ["a+b=c,d.e@f-g"], ["a b", "ß"]),
        ("\\S*", ["", "a!ß"], ["a b", "a\t"]),
        (".*\\S.*", ["a", " a "], [" ", "", "a\nb", "\u2028\u2028", "\x85\x85"]),  # Java's dot knows more line ends
        (".{1,}", ["a"], ["", "\r"]),
        ("^\\{.*\\}$", ["{}", "{a}"], ["{}\n", "{", "{\n}"]),
        ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", ["00000000-0000-0000-0000-00000000000f"], ["x", ""]),
        ("[A-Za-z0-9àâèçñó'-_(). ]*", ["Coupé d'eau".replace("é", "è"), "a+b", "A_B", "x<y"], ["a`b", "é", "{"]),
        (
            "(^arn:aws:sns:.*:\\w{12}:.+$)",
            ["arn:aws:sns:us-east-1:000000000000:topic"],
            ["arn:aws:sns:us-east-1:1:t", "arn:aws:sns:r:000000000000:"],
        ),
        ("^(?!aws:)[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*$", ["", "Straße 東京 ½", "𝔘", "a aws:"], ["aws:x", "a!", "a\n", "🎬"]),
        ("[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+", ["a\tb\nÿ"], ["\u0100", "\x0b", ""]),
        (
            "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD\\u10000-\\u10FFFF]+",
            ["{}", "é\n"],
            ["\x00", "\uffff"],
        ),
        ("[\\x21-\\x7E]+", ["!~"], [" ", "\x7f"]),
        ("((?!^\\d+$)^[0-9a-zA-Z-_]+$)", ["1a", "a"], ["12", "a$"]),
        ("[0-9A-Za-z\\.\\-_]*(?<!\\.)", ["", "a.b"], ["a."]),
        ("(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", ["", "arn:aws:s3-x.y:z"], ["arn"]),
        ("^[a-z0-9](-*[a-z0-9])*", ["a--b"], ["a-", "-a", ""]),
        ("[^ /\\.$\\x22]*", ["ab"], ['"', "a.b", "$"]),
        ("[-.]+", ["-.-"], ["a"]),
        ("[a-]+", ["a-a"], ["b"]),
        ("[\\p{Alpha}\\p{Punct}]+", ["a!z~"], ["1", " "]),
        ("a*+b", ["aaab"], ["aaa"]),
        ("(?<name>a)b", ["ab"], ["a"]),
    ],
)
def test_means_what_it_means_in_java(java: str, accepted: list[str], refused: list[str]) -> None:
    pattern = compile_pattern(java)
    assert [text for text in accepted if not pattern.matches(text)] == []
    assert [text for text in refused if pattern.matches(text)] == []


@pytest.mark.parametrize("java", ["[a[bc]]", "[a-z&&[^b]]", "\\P{L}", "\\p{Nonsense}", "[a", "\\h", "(?<name>a)\\k<name>"])
def test_what_the_translation_does_not_know_is_refused(java: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|class|property|category|escape"):
        compile_pattern(java)


def test_long_values_of_a_backtracking_pattern_are_refused_unread() -> None:
    pattern = compile_pattern("(^arn:aws:sns:.*:\\w{12}:.+$)")
    arn = "arn:aws:sns:us-east-1:000000000000:"
    assert pattern.matches(arn + "t" * 2000)
    assert not pattern.matches(arn + "t" * 100_000)
    assert compile_pattern("[\\w+=,.@-]+").matches("a" * 1_000_000)
