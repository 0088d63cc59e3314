"""The AWS CLI (v1), in its own virtual environment: the developer guide's commands, and S3's, SQS's, SNS's, IAM's and STS's."""

from __future__ import annotations

import filecmp
import json
import os
import shlex
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from running_clients import AWS_CLI, PATIENCE

ACCOUNT = "000000000000"


@pytest.fixture(autouse=True)
def _installed() -> None:
    assert AWS_CLI.exists(), "the AWS CLI is not installed: run make clients"


def aws(command: str, *more: str, cwd: Path | None = None, expect: int = 0) -> str:
    """Run `aws COMMAND MORE…`; returns its output, or what it said on standard error if another status than 0 is expected.

    Version 1 sends `aws sqs` to AWS whatever AWS_ENDPOINT_URL says (aws/aws-cli issue 8737), so there it is told twice.
    """
    where = ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"]] if command.startswith("sqs ") else []
    done = subprocess.run(
        [AWS_CLI, *shlex.split(command), *where, *more], capture_output=True, text=True, check=False, cwd=cwd, timeout=PATIENCE
    )
    assert done.returncode == expect, f"aws {command} ended with status {done.returncode}:\n{done.stdout}{done.stderr}"
    assert expect or not done.stderr, done.stderr
    return done.stderr if expect else done.stdout


def answer(command: str, *more: str) -> Any:
    """What a command answers in JSON."""
    return json.loads(aws(command, *more) or "null")


def test_who_am_i() -> None:
    assert answer("sts get-caller-identity") == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}


def test_labels_of_a_video(video: Path) -> None:
    """The guide's "Analyzing a video with the AWS CLI", with the setup that it asks for."""
    aws("s3 mb s3://guide-bucket")
    aws("s3 cp --only-show-errors", str(video), "s3://guide-bucket/videos/reel.mp4")
    topic = answer("sns create-topic --name AmazonRekognitionTopic")["TopicArn"]
    queue = answer("sqs create-queue --queue-name AmazonRekognitionQueue")["QueueUrl"]
    queue_arn = answer(f"sqs get-queue-attributes --queue-url {queue} --attribute-names QueueArn")["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]})
    aws(f"sqs set-queue-attributes --queue-url {queue} --attributes", json.dumps({"Policy": policy}))
    aws(f"sns subscribe --topic-arn {topic} --protocol sqs --notification-endpoint {queue_arn}")

    started = answer(
        "rekognition start-label-detection --video S3Object={Bucket=guide-bucket,Name=videos/reel.mp4}"
        f" --notification-channel SNSTopicArn={topic},RoleArn=arn:aws:iam::{ACCOUNT}:role/RekognitionRole"
        f" --endpoint-url {os.environ['AWS_ENDPOINT_URL']} --region us-east-1"
        ' --features GENERAL_LABELS --settings GeneralLabels={LabelInclusionFilters=["Person","Cat"]} --job-tag cli --min-confidence 60'
    )
    (job_id,) = started.values()
    messages: list[dict[str, str]] = []
    deadline = time.monotonic() + PATIENCE
    while not messages and time.monotonic() < deadline:
        messages = (answer(f"sqs receive-message --queue-url {queue} --wait-time-seconds 10") or {}).get("Messages", [])
    (message,) = messages
    completion = json.loads(json.loads(message["Body"])["Message"])
    assert completion.pop("Timestamp") > 1.7e12
    stored = {"S3ObjectName": "videos/reel.mp4", "S3Bucket": "guide-bucket"}
    assert completion == {"JobId": job_id, "Status": "SUCCEEDED", "API": "StartLabelDetection", "JobTag": "cli", "Video": stored}
    aws(f"sqs delete-message --queue-url {queue} --receipt-handle", message["ReceiptHandle"])

    whole = answer(f"rekognition get-label-detection --job-id {job_id} --region us-east-1")
    assert {row["Label"]["Name"] for row in whole["Labels"]} == {"Person", "Cat"}
    assert (whole["JobStatus"], whole["JobTag"], whole["Video"]["S3Object"]["Name"]) == ("SUCCEEDED", "cli", "videos/reel.mp4")
    pages = [answer(f"rekognition get-label-detection --job-id {job_id} --max-results 7")]
    while token := pages[-1].get("NextToken"):
        pages.append(answer(f"rekognition get-label-detection --job-id {job_id} --max-results 7 --next-token", token))
    assert len(pages) > 1
    assert [row for page in pages for row in page["Labels"]] == whole["Labels"]
    names = aws(f"rekognition get-label-detection --job-id {job_id} --sort-by NAME --query Labels[].Label.Name --output text").split()
    assert names == sorted(names)
    spans = answer(f"rekognition get-label-detection --job-id {job_id} --aggregate-by SEGMENTS")["Labels"]
    assert all(span["EndTimestampMillis"] - span["StartTimestampMillis"] == span["DurationMillis"] for span in spans)

    aws(f"sqs delete-queue --queue-url {queue}")
    aws(f"sns delete-topic --topic-arn {topic}")
    aws("s3 rb s3://guide-bucket --force")


def test_errors_of_rekognition() -> None:
    said = aws(f"rekognition get-label-detection --job-id {'0' * 64}", expect=255)
    assert said.strip() == (
        "An error occurred (ResourceNotFoundException) when calling the GetLabelDetection operation: Could not find JobId"
    )
    said = aws("rekognition start-label-detection --video S3Object={Bucket=nowhere,Name=a.mp4}", expect=255)
    assert said.strip() == (
        "An error occurred (InvalidS3ObjectException) when calling the StartLabelDetection operation: "
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
    )
    said = aws("rekognition start-label-detection --video S3Object={Bucket=bucket,Name=a.mp4} --min-confidence 101", expect=255)
    assert "(ValidationException)" in said
    assert "Value '101.0' at 'minConfidence' failed to satisfy constraint: Member must have value less than or equal to 100" in said


def test_s3_copies_files(video: Path, tmp_path: Path) -> None:
    aws("s3 mb s3://copies")
    assert aws("s3 cp --no-progress", str(video), "s3://copies/videos/") == f"upload: {video} to s3://copies/videos/{video.name}\n".replace(
        str(video), os.path.relpath(video)
    )
    aws("s3 cp --only-show-errors s3://copies/videos/reel.mp4", str(tmp_path / "back.mp4"))
    assert filecmp.cmp(video, tmp_path / "back.mp4", shallow=False)

    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(20_000_001))  # three parts
    aws(f"s3 cp --only-show-errors {large} s3://copies/large.bin --checksum-algorithm SHA256 --content-type video/mp4 --metadata camera=7")
    head = answer("s3api head-object --bucket copies --key large.bin --checksum-mode ENABLED")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (20_000_001, "video/mp4", {"camera": "7"})
    assert head["ETag"].endswith('-3"')
    assert head["ChecksumSHA256"].endswith("-3")
    aws("s3 cp --only-show-errors s3://copies/large.bin s3://copies/again/large.bin")
    aws("s3 mv --only-show-errors s3://copies/again/large.bin", str(tmp_path / "moved.bin"))
    assert filecmp.cmp(large, tmp_path / "moved.bin", shallow=False)

    with subprocess.Popen([AWS_CLI, "s3", "cp", "s3://copies/large.bin", "-"], stdout=subprocess.PIPE) as down:
        subprocess.run([AWS_CLI, "s3", "cp", "-", "s3://copies/streamed.bin"], stdin=down.stdout, check=True, timeout=PATIENCE)
    assert answer("s3api list-objects-v2 --bucket copies --query Contents[].[Key,Size]") == [
        ["large.bin", 20_000_001],
        ["streamed.bin", 20_000_001],
        ["videos/reel.mp4", video.stat().st_size],
    ]
    said = aws("s3 rb s3://copies", expect=1)
    assert "(BucketNotEmpty)" in said
    aws("s3 rb s3://copies --force")
    assert "(NoSuchBucket)" in aws("s3 ls s3://copies", expect=255)


def test_s3_synchronises_folders(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    names = ["a.txt", "b/c.txt", "b/d e+f&g.txt", "ü/日本.txt"]
    for name in names:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name, "utf-8")
        os.utime(here / name, (1.7e9, 1.7e9))  # S3 keeps whole seconds: of this one, a file would seem newer than its copy
    aws("s3 mb s3://folders")
    assert aws("s3 sync --no-progress here s3://folders/x", cwd=tmp_path).count("upload: ") == 4
    assert aws("s3 sync --no-progress here s3://folders/x", cwd=tmp_path) == ""
    listed = aws("s3 ls s3://folders --recursive")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == sorted(f"x/{name}" for name in names)
    assert [line.split(maxsplit=3)[-1] for line in aws("s3 ls s3://folders/x/").splitlines()] == ["b/", "ü/", "a.txt"]
    aws("s3 sync --no-progress s3://folders/x there", cwd=tmp_path)
    assert {str(path.relative_to(there)): path.read_text("utf-8") for path in there.rglob("*.txt")} == {name: name for name in names}
    (here / "a.txt").unlink()
    assert aws("s3 sync here s3://folders/x --delete", cwd=tmp_path) == "delete: s3://folders/x/a.txt\n"
    aws("s3 sync --no-progress s3://folders/x s3://folders/y")
    assert aws("s3 rm s3://folders/y --recursive").count("delete: ") == 3
    assert aws("s3 rm s3://folders/x/b --recursive").count("delete: ") == 2
    aws("s3 rb s3://folders --force")
    assert "folders" not in aws("s3 ls")


def test_s3_presigns(video: Path) -> None:
    aws("s3 mb s3://presigned")
    aws("s3 cp --only-show-errors", str(video), "s3://presigned/a b/ü.mp4")
    for region in ("us-east-1", "eu-central-1"):  # signatures of version 2 and 4
        url = aws(f"s3 presign --expires-in 60 --region {region}", "s3://presigned/a b/ü.mp4").strip()
        assert url.startswith(os.environ["AWS_ENDPOINT_URL"])
        with urllib.request.urlopen(url) as reply:
            assert reply.read() == video.read_bytes()
    aws("s3 rb s3://presigned --force")


def test_queues() -> None:
    dead = answer("sqs create-queue --queue-name dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead", "maxReceiveCount": "1"})
    queue = answer("sqs create-queue --queue-name work --tags team=video --attributes", json.dumps({"RedrivePolicy": redrive}))["QueueUrl"]
    assert answer("sqs list-queues")["QueueUrls"] == [dead, queue]
    assert answer("sqs get-queue-url --queue-name work") == {"QueueUrl": queue}
    assert answer(f"sqs list-queue-tags --queue-url {queue}") == {"Tags": {"team": "video"}}
    attribute = {"frames": {"DataType": "Number", "StringValue": "25"}}
    aws(f"sqs send-message --queue-url {queue} --message-body hello --message-attributes", json.dumps(attribute))
    (message,) = answer(f"sqs receive-message --queue-url {queue} --message-attribute-names All --visibility-timeout 0")["Messages"]
    assert (message["Body"], message["MessageAttributes"]) == ("hello", attribute)
    assert aws(f"sqs receive-message --queue-url {queue}") == ""
    (message,) = answer(f"sqs receive-message --queue-url {dead} --attribute-names All --wait-time-seconds 5")["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    aws(f"sqs change-message-visibility --queue-url {dead} --visibility-timeout 0 --receipt-handle", message["ReceiptHandle"])
    (message,) = answer(f"sqs receive-message --queue-url {dead}")["Messages"]
    aws(f"sqs delete-message --queue-url {dead} --receipt-handle", message["ReceiptHandle"])
    batch = json.dumps([{"Id": str(i), "MessageBody": f"m{i}"} for i in range(3)])
    assert len(answer(f"sqs send-message-batch --queue-url {queue} --entries", batch)["Successful"]) == 3
    count = answer(f"sqs get-queue-attributes --queue-url {queue} --attribute-names ApproximateNumberOfMessages")
    assert count["Attributes"] == {"ApproximateNumberOfMessages": "3"}
    aws(f"sqs purge-queue --queue-url {queue}")
    assert aws(f"sqs receive-message --queue-url {queue}") == ""
    for url in (queue, dead):
        aws(f"sqs delete-queue --queue-url {url}")
    said = aws(f"sqs get-queue-attributes --queue-url {queue} --attribute-names All", expect=255)
    assert "(AWS.SimpleQueueService.NonExistentQueue)" in said


def test_topics() -> None:
    topic = answer("sns create-topic --name news --attributes DisplayName=News --tags Key=team,Value=video")["TopicArn"]
    queue = answer("sqs create-queue --queue-name readers")["QueueUrl"]
    assert answer("sns list-topics") == {"Topics": [{"TopicArn": topic}]}
    assert answer(f"sns get-topic-attributes --topic-arn {topic}")["Attributes"]["DisplayName"] == "News"
    assert answer(f"sns list-tags-for-resource --resource-arn {topic}") == {"Tags": [{"Key": "team", "Value": "video"}]}
    subscribe = f"sns subscribe --topic-arn {topic} --protocol sqs --notification-endpoint arn:aws:sqs:us-east-1:{ACCOUNT}:readers"
    raw = json.dumps({"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["video"]})})
    subscription = answer(subscribe, "--return-subscription-arn", "--attributes", raw)["SubscriptionArn"]
    kind = '{{"kind": {{"DataType": "String", "StringValue": "{}"}}}}'
    for value in ("audio", "video"):
        assert answer(f"sns publish --topic-arn {topic} --message {value} --message-attributes", kind.format(value))["MessageId"]
    (message,) = answer(f"sqs receive-message --queue-url {queue} --wait-time-seconds 5 --max-number-of-messages 10")["Messages"]
    assert message["Body"] == "video"
    (listed,) = answer(f"sns list-subscriptions-by-topic --topic-arn {topic}")["Subscriptions"]
    assert (listed["SubscriptionArn"], listed["Protocol"]) == (subscription, "sqs")
    aws(f"sns unsubscribe --subscription-arn {subscription}")
    aws(f"sns delete-topic --topic-arn {topic}")
    aws(f"sqs delete-queue --queue-url {queue}")
    assert "(NotFound)" in aws(f"sns publish --topic-arn {topic} --message m", expect=255)


def test_roles_and_policies() -> None:
    """What the guide asks for in "Configuring Amazon Rekognition Video", and a role that is assumed."""
    trust = {"Effect": "Allow", "Principal": {"Service": "rekognition.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = answer("iam create-role --role-name RekognitionRole --assume-role-policy-document", document)["Role"]
    assert (role["Arn"], role["AssumeRolePolicyDocument"]) == (f"arn:aws:iam::{ACCOUNT}:role/RekognitionRole", json.loads(document))
    managed = "arn:aws:iam::aws:policy/service-role/AmazonRekognitionServiceRole"
    aws(f"iam attach-role-policy --role-name RekognitionRole --policy-arn {managed}")
    publish = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}]})
    own = answer("iam create-policy --policy-name publish --policy-document", publish)["Policy"]["Arn"]
    aws(f"iam attach-role-policy --role-name RekognitionRole --policy-arn {own}")
    aws("iam put-role-policy --role-name RekognitionRole --policy-name inline --policy-document", publish)
    attached = answer("iam list-attached-role-policies --role-name RekognitionRole --query AttachedPolicies[].PolicyArn")
    assert sorted(attached) == sorted([managed, own])
    assert answer("iam get-role-policy --role-name RekognitionRole --policy-name inline")["PolicyDocument"] == json.loads(publish)
    session = answer(f"sts assume-role --role-arn {role['Arn']} --role-session-name test")
    assert session["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/RekognitionRole/test"
    assert "(DeleteConflict)" in aws("iam delete-role --role-name RekognitionRole", expect=255)
    aws("iam delete-role-policy --role-name RekognitionRole --policy-name inline")
    for arn in (managed, own):
        aws(f"iam detach-role-policy --role-name RekognitionRole --policy-arn {arn}")
    aws(f"iam delete-policy --policy-arn {own}")
    aws("iam delete-role --role-name RekognitionRole")
    assert "(NoSuchEntity)" in aws("iam get-role --role-name RekognitionRole", expect=255)
