"""Two functions as one writes them for AWS Lambda; `openrek demo-lambda` runs them here.

The first one is told of an upload by S3 and has the labels of the video found; the second one is told by SNS that they are there,
and stores them beside the video. boto3 finds the server by itself, as it finds AWS there.
"""

import json
import os
import urllib.parse
from typing import Any

import boto3

s3 = boto3.client("s3")
rekognition = boto3.client("rekognition")


def start(event: dict[str, Any], _: Any) -> list[str]:
    """Start label detection on what was uploaded."""
    started = []
    for record in event["Records"]:
        bucket, stored = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key = urllib.parse.unquote_plus(stored["key"])
        job = rekognition.start_label_detection(
            Video={"S3Object": {"Bucket": bucket, "Name": key}},
            # Events may come twice; the same token starts the same job.
            ClientRequestToken=stored["sequencer"],
            NotificationChannel={"SNSTopicArn": os.environ["TOPIC_ARN"], "RoleArn": os.environ["ROLE_ARN"]},
        )
        print(f"job {job['JobId']} for s3://{bucket}/{key}")
        started.append(job["JobId"])
    return started


def collect(event: dict[str, Any], _: Any) -> list[str]:
    """Store the labels that were found, in the order of their confidence."""
    stored = []
    for record in event["Records"]:
        message = json.loads(record["Sns"]["Message"])
        if message["Status"] != "SUCCEEDED":
            raise RuntimeError(f"job {message['JobId']} failed")
        best: dict[str, float] = {}
        for page in _pages(message["JobId"]):
            for row in page["Labels"]:
                name, confidence = row["Label"]["Name"], row["Label"]["Confidence"]
                best[name] = max(confidence, best.get(name, 0.0))
        key = f"{message['Video']['S3ObjectName']}.labels.json"
        body = json.dumps(dict(sorted(best.items(), key=lambda item: -item[1])), indent=2)
        s3.put_object(Bucket=os.environ["RESULTS_BUCKET"], Key=key, Body=body.encode(), ContentType="application/json")
        print(f"{len(best)} labels in s3://{os.environ['RESULTS_BUCKET']}/{key}")
        stored.append(key)
    return stored


def _pages(job_id: str) -> list[dict[str, Any]]:
    pages = [rekognition.get_label_detection(JobId=job_id)]
    while "NextToken" in pages[-1]:
        pages.append(rekognition.get_label_detection(JobId=job_id, NextToken=pages[-1]["NextToken"]))
    return pages
