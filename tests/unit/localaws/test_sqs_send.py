import hashlib
import struct

import pytest

from openrek.awsmodel.calls import ServiceError

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
INVALID_CHARACTERS = "Valid unicode characters are #x9"


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def digest_of(*parts):
    return hashlib.md5(
        b"".join(struct.pack("!I", len(part)) + part if isinstance(part, bytes) else bytes([part]) for part in parts)
    ).hexdigest()


def test_a_sent_message_is_answered_with_its_digests(cloud):
    url = cloud.queue()
    answer = cloud.sqs(
        "SendMessage",
        QueueUrl=url,
        MessageBody="häl\tlo",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "wörd"},
            "Bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
            "number": {"DataType": "Number", "StringValue": "-1.5e3"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}},
    )
    assert answer["MD5OfMessageBody"] == hashlib.md5("häl\tlo".encode()).hexdigest()
    assert answer["MD5OfMessageAttributes"] == digest_of(
        *(b"Bytes", b"Binary.png", 2, b"\x00\xff"),
        *(b"number", b"Number", 1, b"-1.5e3"),
        *(b"text", b"String", 1, "wörd".encode()),
    )
    assert answer["MD5OfMessageSystemAttributes"] == digest_of(b"AWSTraceHeader", b"String", 1, TRACE.encode())
    [message] = cloud.receive(url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["AWSTraceHeader"])
    assert message["MessageId"] == answer["MessageId"]
    assert message["Body"] == "häl\tlo"
    assert message["MD5OfBody"] == answer["MD5OfMessageBody"]
    assert message["MD5OfMessageAttributes"] == answer["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["Bytes"] == {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"}
    assert message["Attributes"] == {"AWSTraceHeader": TRACE}


def test_a_digest_is_that_of_aws(cloud):
    # From SQS's recorded answers: one binary attribute, and none at all.
    url = cloud.queue()
    value = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"
    answer = cloud.sqs(
        "SendMessage", QueueUrl=url, MessageBody="test", MessageAttributes={"attr1": {"DataType": "Binary", "BinaryValue": value}}
    )
    assert answer["MD5OfMessageBody"] == "098f6bcd4621d373cade4e832627b4f6"
    assert answer["MD5OfMessageAttributes"] == "8cbe4db156db8a94db8b801b7addb984"
    assert "MD5OfMessageAttributes" not in cloud.sqs("SendMessage", QueueUrl=url, MessageBody="test")


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_a_body_may_not_have(cloud, character):
    url = cloud.queue()
    with refused("InvalidMessageContents", INVALID_CHARACTERS):
        cloud.send(url, f"a{character}b")


def test_characters_that_a_body_may_have(cloud):
    url = cloud.queue()
    body = "\t\n\r \ud7ff\ue000\ufffd\U00010000\U0010ffff\x7f\x85"
    cloud.send(url, body)
    assert cloud.bodies(url) == [body]


def test_a_body_is_not_empty(cloud):
    with refused("MissingRequiredParameterException", "^The request must contain the parameter MessageBody.$"):
        cloud.send(cloud.queue(), "")


def test_a_message_is_as_large_as_its_queue_allows(cloud):
    url = cloud.queue(MaximumMessageSize="1024")
    attributes = {"name": {"DataType": "String", "StringValue": "é"}}
    room = 1024 - len("name") - len("String") - 2
    assert cloud.send(url, "x" * room, MessageAttributes=attributes)
    with refused(
        "InvalidParameterValueException", r"^One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.$"
    ):
        cloud.send(url, "x" * (room + 1), MessageAttributes=attributes)
    assert cloud.send(cloud.queue("large"), "é" * 524_288)
    with refused("InvalidParameterValueException", "shorter than 1048576 bytes"):
        cloud.send(cloud.queue("large"), "é" * 524_288 + "x")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("", {"DataType": "String", "StringValue": "x"}, "can only contain"),
        ("a b", {"DataType": "String", "StringValue": "x"}, "can only contain"),
        ("a..b", {"DataType": "String", "StringValue": "x"}, "can only contain"),
        ("a" * 257, {"DataType": "String", "StringValue": "x"}, "shorter than 256"),
        ("AWS.x", {"DataType": "String", "StringValue": "x"}, "beginning with 'AWS.'"),
        ("amazon.x", {"DataType": "String", "StringValue": "x"}, "beginning with 'AWS.'"),
        (".x", {"DataType": "String", "StringValue": "x"}, "cannot start or end"),
        ("x.", {"DataType": "String", "StringValue": "x"}, "cannot start or end"),
        ("x", {"DataType": "Stringy", "StringValue": "x"}, "Binary, Number, String"),
        ("x", {"DataType": "", "StringValue": "x"}, "Binary, Number, String"),
        ("x", {"DataType": "String." + "y" * 250, "StringValue": "x"}, "types must be shorter"),
        (
            "x",
            {"DataType": "String", "StringValue": ""},
            "^Message \\(user\\) attribute 'x' must contain a non-empty value of type 'String'.$",
        ),
        ("x", {"DataType": "String", "BinaryValue": b"x"}, "non-empty value of type 'String'"),
        ("x", {"DataType": "Binary", "StringValue": "x"}, "non-empty value of type 'Binary'"),
        ("x", {"DataType": "Number", "StringValue": "x"}, "Could not cast"),
        ("x", {"DataType": "Number", "StringValue": "1_000"}, "Could not cast"),
        ("x", {"DataType": "String", "StringValue": "\x01"}, INVALID_CHARACTERS),
    ],
)
def test_attributes_that_are_refused(cloud, name, value, reason):
    with refused("InvalidParameterValueException", reason):
        cloud.send(cloud.queue(), "body", MessageAttributes={name: value})


def test_ten_attributes_and_not_one_more(cloud):
    url = cloud.queue()
    attributes = {f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(11)}
    with refused("InvalidParameterValueException", r"^Number of message attributes \[11\] exceeds the allowed maximum \[10\].$"):
        cloud.send(url, "body", MessageAttributes=attributes)
    del attributes["a0"]
    assert cloud.send(url, "body", MessageAttributes=attributes)


def test_parameters_of_fifo_queues(cloud):
    url = cloud.queue()
    with refused("InvalidParameterValueException", "not valid for this queue type"):
        cloud.send(url, "body", MessageDeduplicationId="x")
    for group in ("", "a b", "a" * 129):
        with refused("InvalidParameterValueException", "MessageGroupId can only include"):
            cloud.send(url, "body", MessageGroupId=group)
    cloud.send(url, "body", MessageGroupId="tenant")
    assert cloud.receive(url, AttributeNames=["MessageGroupId"])[0]["Attributes"] == {"MessageGroupId": "tenant"}


def test_a_trace_header_is_text(cloud):
    with refused("InvalidParameterValueException", "AWSTraceHeader"):
        cloud.send(cloud.queue(), "body", MessageSystemAttributes={"AWSTraceHeader": {"DataType": "Number", "StringValue": "1"}})


def test_delays(cloud):
    url = cloud.queue(DelaySeconds="10")
    cloud.send(url, "queue's delay")
    cloud.send(url, "own delay", DelaySeconds=5)
    cloud.send(url, "none", DelaySeconds=0)
    assert cloud.counts(url) == (1, 2, 0)
    assert cloud.bodies(url) == ["none"]
    cloud.clock.advance(milliseconds=4999)
    assert cloud.bodies(url) == []
    cloud.clock.advance(milliseconds=1)
    assert cloud.bodies(url) == ["own delay"]
    cloud.clock.advance(seconds=5)
    assert cloud.bodies(url) == ["queue's delay"]
    for wrong in (-1, 901):
        with refused("InvalidParameterValueException", f"^Value {wrong} for parameter DelaySeconds is invalid"):
            cloud.send(url, "body", DelaySeconds=wrong)


def batch(cloud, url, *entries):
    return cloud.sqs("SendMessageBatch", QueueUrl=url, Entries=list(entries))


def test_a_batch_reports_every_entry(cloud):
    url = cloud.queue(MaximumMessageSize="1024")
    answer = batch(
        cloud,
        url,
        {"Id": "good", "MessageBody": "good"},
        {"Id": "characters", "MessageBody": "\x01"},
        {"Id": "large", "MessageBody": "x" * 1025},
        {"Id": "delay", "MessageBody": "x", "DelaySeconds": 901},
        {"Id": "empty", "MessageBody": ""},
        {"Id": "late", "MessageBody": "late", "DelaySeconds": 1, "MessageAttributes": {"a": {"DataType": "String", "StringValue": "b"}}},
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good", "late"]
    assert "MD5OfMessageAttributes" in answer["Successful"][1]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("characters", "InvalidMessageContents", True),
        ("large", "InvalidParameterValue", True),
        ("delay", "InvalidParameterValue", True),
        ("empty", "MissingParameter", True),
    ]
    assert answer["Failed"][1]["Message"] == "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
    assert cloud.counts(url) == (1, 1, 0)


def test_batches_that_are_refused_as_a_whole(cloud):
    url = cloud.queue()
    with refused("EmptyBatchRequest"):
        batch(cloud, url)
    with refused("TooManyEntriesInBatchRequest", "^Maximum number of entries per request are 10. You have sent 11.$"):
        batch(cloud, url, *({"Id": str(number), "MessageBody": "x"} for number in range(11)))
    with refused("BatchEntryIdsNotDistinct", "^Id a repeated.$"):
        batch(cloud, url, {"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"})
    for wrong in ("", "a b", "ü", "a" * 81):
        with refused("InvalidBatchEntryId", "^A batch entry id can only contain alphanumeric characters, hyphens and underscores."):
            batch(cloud, url, {"Id": wrong, "MessageBody": "x"})
    with refused("BatchRequestTooLong", "^Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.$"):
        batch(cloud, url, {"Id": "a", "MessageBody": "x" * 1_048_570}, {"Id": "b", "MessageBody": "é" * 3 + "x"})
    assert cloud.counts(url) == (0, 0, 0)


def test_senders_are_told_apart(cloud):
    url = cloud.queue()
    user = cloud.iam("CreateUser", UserName="Ann")["User"]
    cloud.send(url, "root")
    cloud.send(url, "known", caller=cloud.other(principal=user["Arn"]))
    cloud.send(url, "unknown", caller=cloud.other(principal="arn:aws:iam::000000000000:user/Bob"))
    senders = [message["Attributes"]["SenderId"] for message in cloud.receive(url, AttributeNames=["SenderId"])]
    assert senders[:2] == ["000000000000", user["UserId"]]
    assert senders[2].startswith("AIDA")
    assert len(set(senders)) == 3
