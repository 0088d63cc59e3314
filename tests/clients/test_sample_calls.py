"""What AWS's samples for label detection call, in their order, with what they rely on.

`test_aws_samples.py` runs the samples themselves where they are at hand.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from running_clients import PATIENCE, Clients

ROLE = "arn:aws:iam::000000000000:role/rekognition"


def may_send(topic_arn: str, queue_arn: str) -> str:
    """A queue's policy that lets a topic send to it."""
    condition = {"ArnEquals": {"aws:SourceArn": topic_arn}}
    return policy(Sid="topic", Principal={"AWS": "*"}, Action="SQS:SendMessage", Resource=queue_arn, Condition=condition)


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def test_sample_class_for_video_detection(boto: Clients, video: Path) -> None:
    """`RekognitionVideo` of aws-doc-sdk-examples: boto3's resources, a role with a policy of its own, one page of results."""
    name = "example-video-rekognition"
    s3, sns, sqs, iam = (boto.session.resource(service) for service in ("s3", "sns", "sqs", "iam"))
    bucket = s3.create_bucket(Bucket=f"rekognition-{time.time_ns()}")
    stored = bucket.Object("video.mp4")
    with video.open("rb") as content:
        stored.upload_fileobj(content)

    topic = sns.create_topic(Name=name)
    queue = sqs.create_queue(QueueName=name, Attributes={"ReceiveMessageWaitTimeSeconds": "5"})
    queue_arn = queue.attributes["QueueArn"]
    queue.set_attributes(Attributes={"Policy": may_send(topic.arn, queue_arn)})
    topic.subscribe(Protocol="sqs", Endpoint=queue_arn)
    trust = policy(Principal={"Service": "rekognition.amazonaws.com"}, Action="sts:AssumeRole")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    publish = iam.create_policy(PolicyName=name, PolicyDocument=policy(Action="SNS:Publish", Resource=topic.arn))
    role.attach_policy(PolicyArn=publish.arn)

    rekognition = boto.rekognition
    job_id = rekognition.start_label_detection(
        Video={"S3Object": {"Bucket": stored.bucket_name, "Name": stored.key}},
        NotificationChannel={"RoleArn": role.arn, "SNSTopicArn": topic.arn},
    )["JobId"]
    messages = []
    deadline = time.monotonic() + PATIENCE
    while not messages and time.monotonic() < deadline:
        messages = queue.receive_messages(MaxNumberOfMessages=1, WaitTimeSeconds=5)
    assert len(messages) == 1
    message = json.loads(json.loads(messages[0].body)["Message"])
    assert (message["JobId"], message["Status"]) == (job_id, "SUCCEEDED")
    messages[0].delete()

    response = rekognition.get_label_detection(JobId=job_id)
    assert response["JobStatus"] == "SUCCEEDED"
    found = [(row["Label"]["Name"], row["Timestamp"]) for row in response["Labels"]]
    assert {"Person", "Cat", "Motorcycle"} <= {label for label, _ in found}
    assert all(row["Label"].get("Instances") is not None and row["Label"].get("Parents") is not None for row in response["Labels"])

    for attached in role.attached_policies.all():
        role.detach_policy(PolicyArn=attached.arn)
        attached.delete()
    role.delete()
    assert role.role_name == name
    queue.delete()
    assert queue.url.endswith(f"/{name}")
    topic.delete()
    bucket.objects.delete()
    bucket.delete()


def test_the_guides_video_detect(boto: Clients, uploaded: tuple[str, str]) -> None:
    """`VideoDetect` of the developer guide: confidence 90, short polls, pages of ten that begin with an empty token."""
    bucket, key = uploaded
    rekognition, sqs, sns = boto.rekognition, boto.sqs, boto.sns
    topic_arn = sns.create_topic(Name="AmazonRekognitionExample1")["TopicArn"]
    sqs.create_queue(QueueName="AmazonRekognitionQueue1")
    queue_url = sqs.get_queue_url(QueueName="AmazonRekognitionQueue1")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": may_send(topic_arn, queue_arn)})
    job_id = rekognition.start_label_detection(
        Video={"S3Object": {"Bucket": bucket, "Name": key}},
        NotificationChannel={"RoleArn": ROLE, "SNSTopicArn": topic_arn},
        MinConfidence=90,
    )["JobId"]

    deadline = time.monotonic() + PATIENCE
    while "Messages" not in (received := sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["ALL"], MaxNumberOfMessages=10)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(received["Messages"]) == 1
    message = json.loads(json.loads(received["Messages"][0]["Body"])["Message"])
    assert (message["JobId"], message["Status"]) == (job_id, "SUCCEEDED")
    for _ in range(2):  # the sample deletes its message twice
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=received["Messages"][0]["ReceiptHandle"])

    token, finished, rows = "", False, []
    while not finished:
        response = rekognition.get_label_detection(JobId=job_id, MaxResults=10, NextToken=token, SortBy="TIMESTAMP")
        facts = response["VideoMetadata"]
        assert (facts["Codec"], facts["DurationMillis"], facts["Format"], facts["FrameRate"]) == ("h264", 21000, "QuickTime / MOV", 25.0)
        assert response["Labels"], "the sample never leaves a page without rows"
        rows += response["Labels"]
        token, finished = response.get("NextToken"), "NextToken" not in response
    for row in rows:
        assert 0 <= row["Timestamp"] <= 21000
        assert row["Label"]["Name"]
        assert row["Label"]["Confidence"] >= 90
        assert all(isinstance(parent["Name"], str) for parent in row["Label"]["Parents"])
        for instance in row["Label"]["Instances"]:
            assert instance["Confidence"] >= 90
            assert all(0 <= instance["BoundingBox"][side] <= 1 for side in ("Top", "Left", "Width", "Height"))
    assert any(row["Label"]["Instances"] for row in rows)

    sqs.delete_queue(QueueUrl=queue_url)
    sns.delete_topic(TopicArn=topic_arn)
