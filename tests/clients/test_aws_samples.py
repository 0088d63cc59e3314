"""AWS's own samples for label detection, unmodified, where they are at hand.

They are not ours to copy: set OPENREK_AWS_SAMPLES to a folder with clones of the two repositories below. `test_sample_calls.py` makes
the same calls.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from pathlib import Path

import pytest
from running_clients import NODE_MODULES, run_client

SAMPLES = Path(os.environ.get("OPENREK_AWS_SAMPLES", "not-set"))
EXAMPLES = SAMPLES / "aws-doc-sdk-examples" / "python" / "example_code" / "rekognition"
GUIDE = SAMPLES / "amazon-rekognition-developer-guide" / "doc_source" / "video-analyzing-with-sqs.md"

ROLE = "arn:aws:iam::000000000000:role/rekognition"

USE_THE_CLASS = """
import logging, sys
import boto3
from rekognition_video_detection import RekognitionVideo

logging.basicConfig(level=logging.INFO)
iam, s3, sns, sqs = (boto3.resource(service) for service in ("iam", "s3", "sns", "sqs"))
bucket = s3.create_bucket(Bucket="for-the-sample")
bucket.upload_file(sys.argv[1], "reel.mp4")
video = RekognitionVideo.from_bucket(bucket.Object("reel.mp4"), boto3.client("rekognition"))
video.create_notification_channel("for-the-sample", iam, sns, sqs)
for label in video.do_label_detection():
    print("found", label.to_dict())
video.delete_notification_channel()
bucket.objects.delete()
bucket.delete()
"""


def need(path: Path) -> Path:
    if not path.exists():
        pytest.skip(
            "needs AWS's samples: clone awsdocs' aws-doc-sdk-examples and amazon-rekognition-developer-guide, set OPENREK_AWS_SAMPLES"
        )
    return path


def of_the_guide(tab: str) -> str:
    """The program under a tab of the guide's page."""
    page = need(GUIDE).read_text("utf-8")
    section = page.split(f"#### [ {tab} ]\n", 1)[1].split("\n------\n", 1)[0]
    program = re.search(r"^ *```\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)
    assert program is not None
    return textwrap.dedent(program[1])


def test_sample_class_for_video_detection(video: Path) -> None:
    need(EXAMPLES / "rekognition_video_detection.py")
    printed = run_client(sys.executable, "-c", USE_THE_CLASS, video, PYTHONPATH=str(EXAMPLES))
    assert "with status SUCCEEDED" in printed
    for name in ("Person", "Cat", "Motorcycle"):
        assert f"found {{'name': '{name}', 'timestamp': " in printed
    for thing in ("role", "queue", "topic"):
        assert f"Deleted {thing} " in printed


def test_the_guides_video_detect_in_python(uploaded: tuple[str, str], tmp_path: Path) -> None:
    bucket, key = uploaded
    main = 'def main():\n    role_arn = ""\n    bucket = ""\n    video = ""\n'
    program = of_the_guide("Python")
    assert program.count(main) == 1
    path = tmp_path / "VideoDetect.py"
    path.write_text(program.replace(main, f'def main():\n    role_arn = "{ROLE}"\n    bucket = "{bucket}"\n    video = "{key}"\n'), "utf-8")
    printed = run_client(sys.executable, path)
    assert re.search(
        r"SUCCEEDED\nMatching Job Found:[0-9a-f]{64}\nCodec: h264\nDuration: 21000\nFormat: QuickTime / MOV\nFrame rate: 25.0\n", printed
    )
    assert "   Label: Person\n   Confidence: 9" in printed


def test_the_guides_video_detect_in_javascript(uploaded: tuple[str, str], tmp_path: Path) -> None:
    """Takes a minute: its queue delays messages by 60 s."""
    bucket, key = uploaded
    program = of_the_guide("Node\\.Js")
    for placeholder, value in (("region-name", "us-east-1"), ("bucket-name", bucket), ("video-name", key), ("role-arn", ROLE)):
        assert program.count(f'"{placeholder}"') == 1
        program = program.replace(f'"{placeholder}"', f'"{value}"')
    path = tmp_path / "VideoDetect.mjs"
    path.write_text(program, "utf-8")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    printed = run_client("node", path, patience=180)
    assert "Job processing succeeded.\n" in printed
    assert "Codec: h264\nDuration: 21000\nFormat: QuickTime / MOV\nFrame Rate: 25\n" in printed
    assert "Label: Person\n" in printed
    assert printed.endswith("Successfully deleted.\n")
