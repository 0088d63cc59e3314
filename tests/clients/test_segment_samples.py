"""The developer guide's methods for segments, unmodified, in its `VideoDetect`; where the guide is at hand (see `test_aws_samples.py`)."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from running_clients import run_client
from test_aws_samples import GUIDE, ROLE, need, of_the_guide

SEGMENTS = GUIDE.with_name("segment-example.md")
NAMES = {"startJobId": "start_job_id", "roleArn": "role_arn", "snsTopicArn": "sns_topic_arn"}
"""What the methods call what the class has come to call otherwise since."""


def methods() -> str:
    """The code that the guide adds to its class."""
    section = need(SEGMENTS).read_text("utf-8").split("#### [ Python ]\n", 1)[1]
    code = re.search(r"^ *```\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)
    assert code is not None
    return textwrap.dedent(code[1])


def test_the_guides_methods_for_segments(uploaded: tuple[str, str], tmp_path: Path) -> None:
    bucket, key = uploaded
    program, added = of_the_guide("Python"), methods()
    before, _, after = program.partition("\ndef main():")
    aliases = "".join(
        f"    {old} = property(lambda self: self.{new}, lambda self, value: setattr(self, '{new}', value))\n" for old, new in NAMES.items()
    )
    after = after.replace('role_arn = ""', f'role_arn = "{ROLE}"').replace('bucket = ""', f'bucket = "{bucket}"')
    after = after.replace('video = ""', f'video = "{key}"').replace("start_label_detection", "StartSegmentDetection")
    after = after.replace("get_label_detection_results", "GetSegmentDetectionResults").replace("VideoDetect(", "WithSegments(")
    path = tmp_path / "VideoDetect.py"
    path.write_text(f"{before}\nclass WithSegments(VideoDetect):\n{added}\n{aliases}\n\ndef main():{after}", "utf-8")
    printed = run_client(sys.executable, path)
    assert (
        "Status\n------\nSUCCEEDED\n\nRequested Types\n---------------\n\tType: TECHNICAL_CUE\n\t\tModel Version: 1.0\n\tType: SHOT"
        in printed
    )
    assert "\tDuration: 21000\n\tFormat: QuickTime / MOV\n\tFrame rate: 25.0\n" in printed
    assert re.search(
        r"Shot\n\tConfidence: \d+\.\d+\n\tIndex: 0\n\tDuration \(milliseconds\): \d+\n\tStart Timestamp \(milliseconds\): 0\n", printed
    )
    assert "\tType: Content\n" in printed
