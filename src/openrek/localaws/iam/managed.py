"""Policies that AWS manages. Any well-formed ARN of one may be attached; the documents known here are those that AWS's samples for
Rekognition Video read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

_PREFIX = ":iam::aws:policy/"


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A policy that AWS manages: its ARN, name and path; no document if it is not known here."""

    arn: str
    name: str
    path: str
    document: str | None


def managed(arn: str) -> ManagedPolicy | None:
    """The AWS-managed policy of that ARN, or None if the ARN is not of one."""
    partition, found, resource = arn.partition(_PREFIX)
    if not found or not partition.startswith("arn:") or not resource or resource.endswith("/"):
        return None
    folder, _, name = resource.rpartition("/")
    statements = _STATEMENTS.get(resource)
    document = None
    if statements is not None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return ManagedPolicy(arn, name, f"/{folder}/" if folder else "/", document)


def known(partition: str) -> list[ManagedPolicy]:
    """Those whose documents are known."""
    return [policy for resource in _STATEMENTS if (policy := managed(f"arn:{partition}{_PREFIX}{resource}")) is not None]


def _all(service: str) -> list[Mapping[str, object]]:
    return [{"Effect": "Allow", "Action": [f"{service}:*"], "Resource": "*"}]


_STATEMENTS: Mapping[str, list[Mapping[str, object]]] = {
    "service-role/AmazonRekognitionServiceRole": [
        {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": "arn:aws:sns:*:*:AmazonRekognition*"},
        {
            "Effect": "Allow",
            "Action": ["kinesis:PutRecord", "kinesis:PutRecords"],
            "Resource": "arn:aws:kinesis:*:*:stream/AmazonRekognition*",
        },
        {"Effect": "Allow", "Action": ["kinesisvideo:GetDataEndpoint", "kinesisvideo:GetMedia"], "Resource": "*"},
    ],
    "AmazonRekognitionFullAccess": _all("rekognition"),
    "AmazonS3FullAccess": [{"Effect": "Allow", "Action": ["s3:*", "s3-object-lambda:*"], "Resource": "*"}],
    "AmazonSNSFullAccess": _all("sns"),
    "AmazonSQSFullAccess": _all("sqs"),
}
