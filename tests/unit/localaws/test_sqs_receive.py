import json

import pytest

from openrek.awsmodel.calls import ServiceError


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def test_a_received_message_is_hidden_for_its_timeout(cloud):
    url = cloud.queue(VisibilityTimeout="30")
    cloud.send(url, "a")
    [first] = cloud.receive(url)
    assert cloud.receive(url) == []
    assert cloud.counts(url) == (0, 0, 1)
    cloud.clock.advance(milliseconds=29_999)
    assert cloud.receive(url) == []
    cloud.clock.advance(milliseconds=1)
    assert cloud.counts(url) == (1, 0, 0)
    [second] = cloud.receive(url, VisibilityTimeout=5)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    cloud.clock.advance(seconds=5)
    assert cloud.receive(url, VisibilityTimeout=0) != []
    assert cloud.receive(url) != []


def test_messages_come_in_the_order_in_which_they_became_visible(cloud):
    url = cloud.queue()
    for number in range(5):
        cloud.send(url, str(number))
    assert cloud.bodies(url, count=2) == ["0", "1"]
    cloud.send(url, "5", DelaySeconds=60)
    cloud.clock.advance(seconds=60)
    assert cloud.bodies(url) == ["2", "3", "4", "0", "1", "5"]


def test_one_message_unless_more_are_asked_for(cloud):
    url = cloud.queue()
    cloud.sqs("SendMessageBatch", QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "x"} for number in range(10)])
    assert len(cloud.sqs("ReceiveMessage", QueueUrl=url)["Messages"]) == 1
    assert len(cloud.receive(url, 10)) == 9
    assert cloud.sqs("ReceiveMessage", QueueUrl=url) == {}


@pytest.mark.parametrize(
    ("parameter", "wrong", "reason"),
    [
        ("MaxNumberOfMessages", (0, 11, -1), "Must be between 1 and 10, if provided."),
        ("WaitTimeSeconds", (-1, 21), "Must be >= 0 and <= 20, if provided."),
        ("VisibilityTimeout", (-1, 43_201), "Must be >= 0 and <= 43200, if provided."),
    ],
)
def test_parameters_out_of_their_range(cloud, parameter, wrong, reason):
    url = cloud.queue()
    for value in wrong:
        with refused("InvalidParameterValueException", f"^Value {value} for parameter {parameter} is invalid. Reason: {reason}$"):
            cloud.sqs("ReceiveMessage", QueueUrl=url, **{parameter: value})


def test_system_attributes_by_either_parameter(cloud):
    url = cloud.queue(VisibilityTimeout="0")
    cloud.send(url, "a")
    cloud.clock.advance(seconds=2)
    assert "Attributes" not in cloud.receive(url)[0]
    cloud.clock.advance(seconds=2)
    everything = {
        "SenderId": "000000000000",
        "SentTimestamp": "1700000000000",
        "ApproximateReceiveCount": "2",
        "ApproximateFirstReceiveTimestamp": "1700000002000",
    }
    assert cloud.receive(url, AttributeNames=["All"])[0]["Attributes"] == everything
    assert cloud.receive(url, MessageSystemAttributeNames=["All"])[0]["Attributes"] == everything | {"ApproximateReceiveCount": "3"}
    both = cloud.receive(url, AttributeNames=["SenderId"], MessageSystemAttributeNames=["SentTimestamp", "SequenceNumber"])
    assert set(both[0]["Attributes"]) == {"SenderId", "SentTimestamp"}
    assert "Attributes" not in cloud.receive(url, AttributeNames=["Policy", "Colour"])[0]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], ""),
        (["All"], "General Hello Help.Me"),
        (["ALL"], "General Hello Help.Me"),
        (["*"], "General Hello Help.Me"),
        ([".*"], "General Hello Help.Me"),
        (["Foo", "Help"], ""),
        (["Hello", "General"], "General Hello"),
        (["Foo", "Hello"], "Hello"),
        (["Hel.*"], "Hello Help.Me"),
        (["hel.*"], ""),
        (["AWS.", "..foo"], ""),
    ],
)
def test_message_attributes_that_were_asked_for(cloud, asked, told):
    url = cloud.queue()
    values = {"Hello": "There", "General": "Kenobi", "Help.Me": "Me"}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
    sent = cloud.sqs("SendMessage", QueueUrl=url, MessageBody="msg", MessageAttributes=attributes)
    [message] = cloud.receive(url, MessageAttributeNames=asked)
    assert message.get("MessageAttributes", {}) == {name: attributes[name] for name in told.split()}
    if not told:
        assert "MD5OfMessageAttributes" not in message
    elif len(told.split()) == 3:
        assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"] == "4c360f3fdafd970e05fae2f149d997f5"
    else:  # the digest of what is in the answer, as SQS recorded it
        expected = {
            "General Hello": "fca026605781cb4126a1e9044df24232",
            "Hello": "a311262e065454b75da111d535b8dacd",
            "Hello Help.Me": "83fee93c1bcd8b9a5a923ffacdc636c7",
        }
        assert message["MD5OfMessageAttributes"] == expected[told]


def test_deleting(cloud):
    url = cloud.queue()
    cloud.send(url, "a")
    [message] = cloud.receive(url)
    for _ in range(3):
        assert cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]) == {}
    cloud.clock.advance(seconds=60)
    assert cloud.receive(url) == []
    with refused("InvalidParameterValueException", "Message does not exist or is not available for visibility timeout change"):
        cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=1)


def test_a_message_can_be_deleted_after_its_timeout_unless_somebody_else_has_it(cloud):
    url = cloud.queue(VisibilityTimeout="1")
    cloud.send(url, "late")
    [message] = cloud.receive(url)
    cloud.clock.advance(seconds=2)
    cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert cloud.counts(url) == (0, 0, 0)
    cloud.send(url, "taken")
    [first] = cloud.receive(url)
    cloud.clock.advance(seconds=2)
    [second] = cloud.receive(url)
    cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert cloud.counts(url) == (0, 0, 1)
    with refused("InvalidParameterValueException"):
        cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert cloud.counts(url) == (0, 0, 0)


def test_handles_that_were_never_given_out(cloud):
    url, other = cloud.queue(), cloud.queue("other")
    cloud.send(url, "a")
    cloud.send(other, "b")
    handle = cloud.receive(url)[0]["ReceiptHandle"]
    foreign = cloud.receive(other)[0]["ReceiptHandle"]
    forged = handle[:20] + ("A" if handle[20] != "A" else "B") + handle[21:]
    for wrong in ("garbage", "", "ü", "\ud800", handle[:-4], handle + "AAAA", forged, foreign):
        message = f'^The input receipt handle "{wrong}" is not a valid receipt handle.$'.replace("+", r"\+")
        with refused("ReceiptHandleIsInvalid", message):
            cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=wrong)
        with refused("ReceiptHandleIsInvalid", message):
            cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=wrong, VisibilityTimeout=0)
    assert cloud.counts(url) == (0, 0, 1)


def test_changing_visibility(cloud):
    url = cloud.queue(VisibilityTimeout="30")
    cloud.send(url, "a")
    handle = cloud.receive(url)[0]["ReceiptHandle"]

    def hide(seconds):
        cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=seconds)

    cloud.clock.advance(seconds=10)
    hide(60)
    cloud.clock.advance(seconds=59)
    assert cloud.receive(url) == []
    hide(0)
    assert cloud.counts(url) == (1, 0, 0)
    # Nobody else has it yet: it is the receiver's still.
    hide(5)
    assert cloud.receive(url) == []
    cloud.clock.advance(seconds=5)
    assert len(cloud.receive(url)) == 1
    for wrong in (-1, 43_201):
        with refused("InvalidParameterValueException", f"^Value {wrong} for parameter VisibilityTimeout is invalid"):
            hide(wrong)


def test_a_message_is_hidden_for_twelve_hours_at_most(cloud):
    url = cloud.queue()
    cloud.send(url, "a")
    handle = cloud.receive(url, VisibilityTimeout=43_200)[0]["ReceiptHandle"]
    cloud.clock.advance(seconds=1)
    with refused("InvalidParameterValueException", r"Total VisibilityTimeout for the message is beyond the limit \[43200 seconds\]$"):
        cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_200)
    cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=43_199)


def test_batches_of_handles_report_every_entry(cloud):
    url = cloud.queue()
    for body in "abc":
        cloud.send(url, body)
    handles = [message["ReceiptHandle"] for message in cloud.receive(url)]
    entries = [{"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0} for number, handle in enumerate([*handles, "wrong"])]
    del entries[2]["VisibilityTimeout"]
    answer = cloud.sqs("ChangeMessageVisibilityBatch", QueueUrl=url, Entries=entries)
    assert answer["Successful"] == [{"Id": "0"}, {"Id": "1"}]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("2", "MissingParameter"), ("3", "ReceiptHandleIsInvalid")]
    assert cloud.counts(url) == (2, 0, 1)
    entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate([*handles, "wrong"])]
    answer = cloud.sqs("DeleteMessageBatch", QueueUrl=url, Entries=entries)
    assert answer["Successful"] == [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}]
    assert answer["Failed"] == [
        {
            "Id": "3",
            "SenderFault": True,
            "Code": "ReceiptHandleIsInvalid",
            "Message": 'The input receipt handle "wrong" is not a valid receipt handle.',
        }
    ]
    assert cloud.counts(url) == (0, 0, 0)
    for operation in ("DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
        with refused("EmptyBatchRequest", f"at least one {operation}RequestEntry"):
            cloud.sqs(operation, QueueUrl=url, Entries=[])


def test_purging(cloud):
    url, other = cloud.queue(), cloud.queue("other")
    for number in range(15):
        cloud.send(url, str(number), DelaySeconds=number % 2)
    cloud.send(other, "stays")
    cloud.receive(url, 3)
    cloud.sqs("PurgeQueue", QueueUrl=url)
    assert cloud.counts(url) == (0, 0, 0)
    assert cloud.bodies(other) == ["stays"]
    cloud.send(url, "after")
    assert cloud.bodies(url) == ["after"]


def test_retention(cloud):
    url = cloud.queue(MessageRetentionPeriod="60")
    cloud.send(url, "a")
    cloud.receive(url)
    cloud.clock.advance(milliseconds=59_999)
    cloud.send(url, "b")
    assert cloud.counts(url) == (2, 0, 0)
    cloud.clock.advance(milliseconds=1)
    assert cloud.counts(url) == (1, 0, 0)
    assert cloud.bodies(url) == ["b"]
    cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"MessageRetentionPeriod": "1000"})
    cloud.clock.advance(seconds=500)
    assert cloud.bodies(url) == ["b"]
    cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    assert cloud.counts(url) == (0, 0, 0)
    assert cloud.bodies(url) == []


def rows(cloud):
    from sqlalchemy import func, select

    from openrek.localaws.schema import contents, messages

    return cloud.store.read_now(
        lambda tx: tuple(tx.sql.execute(select(func.count()).select_from(table)).scalar() for table in (messages, contents))
    )


def test_expired_messages_leave_the_file(cloud):
    import asyncio

    url, other = cloud.queue(MessageRetentionPeriod="60"), cloud.queue("other", MessageRetentionPeriod="60")
    cloud.send(url, "a")
    cloud.send(other, "b")
    cloud.clock.advance(seconds=61)
    assert rows(cloud) == (2, 2)
    cloud.receive(url)
    assert rows(cloud) == (1, 1)
    asyncio.run(cloud.queues.sweep())
    assert rows(cloud) == (0, 0)


def with_dead_letters(cloud, count, **attributes):
    dead = cloud.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": cloud.arn(dead), "maxReceiveCount": count})
    return cloud.queue("queue", RedrivePolicy=policy, **attributes), dead


def test_dead_letters(cloud):
    url, dead = with_dead_letters(cloud, 2, VisibilityTimeout="10")
    message_id = cloud.send(url, "poison", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    cloud.clock.advance(seconds=1)
    for _ in range(2):
        assert cloud.bodies(url) == ["poison"]
        cloud.clock.advance(seconds=10)
    assert cloud.counts(dead) == (0, 0, 0)
    cloud.send(url, "good")
    assert cloud.bodies(url) == ["good"]
    assert cloud.counts(dead) == (1, 0, 0)
    [message] = cloud.receive(dead, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (message_id, "poison")
    assert message["MessageAttributes"] == {"a": {"DataType": "String", "StringValue": "b"}}
    assert message["Attributes"] == {
        "SenderId": "000000000000",
        "SentTimestamp": "1700000000000",
        "ApproximateReceiveCount": "3",
        "ApproximateFirstReceiveTimestamp": "1700000001000",
        "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:000000000000:queue",
    }
    assert cloud.counts(url)[0] == 0


def test_a_receive_finds_good_messages_behind_dead_ones(cloud):
    url, dead = with_dead_letters(cloud, 1, VisibilityTimeout="0")
    for number in range(25):
        cloud.send(url, f"bad {number}")
    for _ in range(3):
        cloud.receive(url, VisibilityTimeout=1)
    cloud.clock.advance(seconds=2)
    cloud.send(url, "good")
    assert cloud.bodies(url, count=1) == ["good"]
    assert cloud.counts(dead) == (25, 0, 0)


def test_a_message_without_a_place_to_go_is_received_once_more(cloud):
    url, dead = with_dead_letters(cloud, 1, VisibilityTimeout="0")
    cloud.send(url, "a")
    cloud.receive(url)
    cloud.sqs("SetQueueAttributes", QueueUrl=dead, Attributes={"RedriveAllowPolicy": '{"redrivePermission": "denyAll"}'})
    assert cloud.bodies(url) == ["a"]
    cloud.sqs("DeleteQueue", QueueUrl=dead)
    assert cloud.bodies(url) == ["a"]
    cloud.queue("dead")
    assert cloud.bodies(url) == []


def test_dead_letters_keep_their_age(cloud):
    url, dead = with_dead_letters(cloud, 1, VisibilityTimeout="0")
    cloud.sqs("SetQueueAttributes", QueueUrl=dead, Attributes={"MessageRetentionPeriod": "60"})
    cloud.send(url, "a")
    cloud.receive(url)
    cloud.clock.advance(seconds=61)
    assert cloud.bodies(url) == []
    assert cloud.bodies(dead) == []


def test_dead_letters_of_dead_letters_count_anew(cloud):
    last = cloud.queue("last")
    url, dead = with_dead_letters(cloud, 1, VisibilityTimeout="0")
    policy = json.dumps({"deadLetterTargetArn": cloud.arn(last), "maxReceiveCount": 2})
    cloud.sqs("SetQueueAttributes", QueueUrl=dead, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    cloud.send(url, "a")
    assert cloud.bodies(url) == ["a"]
    assert cloud.bodies(url) == []
    assert cloud.bodies(dead) + cloud.bodies(dead) == ["a", "a"]
    assert cloud.bodies(dead) == []
    [message] = cloud.receive(last, AttributeNames=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "4"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == cloud.arn(dead)


def test_an_old_handle_does_not_reach_into_the_dead_letter_queue(cloud):
    url, dead = with_dead_letters(cloud, 1, VisibilityTimeout="0")
    cloud.send(url, "a")
    handle = cloud.receive(url)[0]["ReceiptHandle"]
    cloud.receive(url)
    cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
    assert cloud.bodies(dead) == ["a"]
