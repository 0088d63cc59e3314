import base64
import json

import pytest

from openrek.awsmodel.calls import ServiceError


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


@pytest.fixture
def dead_letters(cloud):
    """A dead-letter queue with two messages of one source and one of another."""
    dead = cloud.queue("dead", VisibilityTimeout="0")
    policy = json.dumps({"deadLetterTargetArn": cloud.arn(dead), "maxReceiveCount": 1})
    for name, bodies in (("one", "ab"), ("two", "c")):
        url = cloud.queue(name, RedrivePolicy=policy, VisibilityTimeout="0")
        for body in bodies:
            cloud.send(url, body)
        assert len(cloud.receive(url)) == len(bodies)
        assert cloud.receive(url) == []
    return dead


def test_messages_go_back_where_they_came_from(cloud, dead_letters):
    arn = cloud.arn(dead_letters)
    cloud.clock.advance(seconds=5)
    handle = cloud.sqs("StartMessageMoveTask", SourceArn=arn)["TaskHandle"]
    assert cloud.counts(dead_letters) == (0, 0, 0)
    [first, second] = cloud.receive(cloud.sqs("GetQueueUrl", QueueName="one")["QueueUrl"], AttributeNames=["All"])
    assert (first["Body"], second["Body"]) == ("a", "b")
    assert first["Attributes"] == {
        "SenderId": "000000000000",
        "SentTimestamp": "1700000005000",
        "ApproximateReceiveCount": "1",
        "ApproximateFirstReceiveTimestamp": "1700000005000",
    }
    assert cloud.bodies(cloud.sqs("GetQueueUrl", QueueName="two")["QueueUrl"]) == ["c"]
    assert cloud.sqs("ListMessageMoveTasks", SourceArn=arn) == {
        "Results": [
            {
                "Status": "COMPLETED",
                "SourceArn": arn,
                "ApproximateNumberOfMessagesMoved": 3,
                "ApproximateNumberOfMessagesToMove": 3,
                "StartedTimestamp": 1_700_000_005_000,
            }
        ]
    }
    with refused("InvalidParameterValueException", "^Only active tasks can be cancelled.$"):
        cloud.sqs("CancelMessageMoveTask", TaskHandle=handle)


def test_messages_go_elsewhere(cloud, dead_letters):
    target = cloud.queue("target")
    arn = cloud.arn(dead_letters)
    cloud.sqs("StartMessageMoveTask", SourceArn=arn, DestinationArn=cloud.arn(target))
    assert sorted(cloud.bodies(target)) == ["a", "b", "c"]
    [task] = cloud.sqs("ListMessageMoveTasks", SourceArn=arn)["Results"]
    assert task["DestinationArn"] == cloud.arn(target)


def test_a_task_that_finds_no_way_back_fails(cloud, dead_letters):
    arn = cloud.arn(dead_letters)
    cloud.sqs("DeleteQueue", QueueUrl=cloud.sqs("GetQueueUrl", QueueName="two")["QueueUrl"])
    cloud.send(dead_letters, "sent here")
    cloud.sqs("StartMessageMoveTask", SourceArn=arn)
    cloud.sqs("StartMessageMoveTask", SourceArn=arn)
    tasks = cloud.sqs("ListMessageMoveTasks", SourceArn=arn, MaxResults=10)["Results"]
    assert [task["Status"] for task in tasks] == ["FAILED", "FAILED"]
    assert tasks[0]["FailureReason"] in ("AWS.SimpleQueueService.NonExistentQueue", "CouldNotDetermineMessageSource")


def test_tasks_that_cannot_be(cloud, dead_letters):
    arn, target = cloud.arn(dead_letters), cloud.arn(cloud.queue("target"))
    with refused("InvalidParameterValueException", "^Source queue must be configured as a Dead Letter Queue.$"):
        cloud.sqs("StartMessageMoveTask", SourceArn=target)
    with refused("InvalidParameterValueException", "^You must use this format to specify the SourceArn"):
        cloud.sqs("StartMessageMoveTask", SourceArn="dead")
    with refused("ResourceNotFoundException", "^The resource that you specified for the SourceArn parameter doesn't exist.$"):
        cloud.sqs("StartMessageMoveTask", SourceArn=arn + "er")
    with refused("ResourceNotFoundException", "^The resource that you specified for the DestinationArn parameter doesn't exist.$"):
        cloud.sqs("StartMessageMoveTask", SourceArn=arn, DestinationArn=arn + "er")
    with refused("UnsupportedOperation", "at once"):
        cloud.sqs("StartMessageMoveTask", SourceArn=arn, MaxNumberOfMessagesPerSecond=1)
    with refused("InvalidParameterValueException"):
        cloud.sqs("ListMessageMoveTasks", SourceArn=arn, MaxResults=11)
    for wrong in ("garbage", base64.b64encode(b"{}").decode(), base64.b64encode(b'{"taskId": "x", "sourceArn": ""}').decode()):
        with refused("InvalidParameterValueException", "^Value for parameter TaskHandle is invalid.$"):
            cloud.sqs("CancelMessageMoveTask", TaskHandle=wrong)
    unknown = base64.b64encode(json.dumps({"taskId": "99", "sourceArn": arn}).encode()).decode()
    with refused("ResourceNotFoundException", "^Task does not exist.$"):
        cloud.sqs("CancelMessageMoveTask", TaskHandle=unknown)
