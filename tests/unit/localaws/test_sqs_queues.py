import json

import pytest

from openrek.awsmodel.calls import ServiceError


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def test_a_queue_has_a_url_under_the_address_of_the_request(cloud):
    url = cloud.queue("my-queue_1")
    assert url == "http://localhost:4599/000000000000/my-queue_1"
    elsewhere = cloud.other(endpoint="https://aws.example:8443")
    assert cloud.sqs("GetQueueUrl", caller=elsewhere, QueueName="my-queue_1") == {
        "QueueUrl": "https://aws.example:8443/000000000000/my-queue_1"
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4599/000000000000/queue",
        "https://sqs.eu-west-1.amazonaws.com/000000000000/queue",
        "http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/queue/",
        "http://eu-west-1.queue.localhost/000000000000/queue",
        "queue",
    ],
)
def test_a_queue_is_found_whatever_the_host_in_its_url(cloud, url):
    cloud.queue("queue")
    assert cloud.send(url, "hello")
    assert cloud.bodies("http://localhost:4599/000000000000/queue") == ["hello"]


@pytest.mark.parametrize(
    "url", ["http://localhost:4599/000000000000/other", "http://localhost/111111111111/queue", "Queue", "a b", "\ud800"]
)
def test_any_other_url_names_no_queue(cloud, url):
    cloud.queue("queue")
    with refused("QueueDoesNotExist", r"^The specified queue does not exist\.$"):
        cloud.sqs("SendMessage", QueueUrl=url, MessageBody="hello")


def test_a_url_without_a_queue_is_no_address(cloud):
    with refused("InvalidAddress"):
        cloud.sqs("SendMessage", QueueUrl="http://localhost:4599/", MessageBody="hello")


def test_creating_a_queue_again_returns_it_unless_an_attribute_differs(cloud):
    policy = json.dumps({"deadLetterTargetArn": cloud.arn(cloud.queue("dead")), "maxReceiveCount": "3"})
    attributes = {"DelaySeconds": "5", "RedrivePolicy": policy}
    url = cloud.queue("queue", **attributes)
    assert cloud.queue("queue") == url
    assert cloud.queue("queue", **attributes) == url
    assert cloud.queue("queue", VisibilityTimeout="30") == url
    with refused("QueueNameExists", "^A queue already exists with the same name and a different value for attribute DelaySeconds$"):
        cloud.queue("queue", DelaySeconds="6")
    with refused("QueueNameExists", "VisibilityTimeout"):
        cloud.queue("queue", VisibilityTimeout="31")


@pytest.mark.parametrize("name", ["", "a" * 81, "a b", "a.b", "ü", "a/b", "queue.fifo"])
def test_names_that_are_none(cloud, name):
    with refused(
        "InvalidParameterValueException", "^Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length$"
    ):
        cloud.queue(name)


def test_fifo_queues_are_refused_in_so_many_words(cloud):
    with refused("UnsupportedOperation", "no FIFO queues"):
        cloud.queue("queue.fifo", FifoQueue="true")
    for attribute in ("FifoQueue", "ContentBasedDeduplication"):
        with refused("InvalidAttributeName", f"^Unknown Attribute {attribute}.$"):
            cloud.queue("queue", **{attribute: "false"})
    with refused("InvalidAttributeName", "^You can specify the DeduplicationScope only when FifoQueue is set to true.$"):
        cloud.queue("queue", DeduplicationScope="queue")


def test_all_attributes_of_a_new_queue(cloud):
    url = cloud.queue("queue")
    cloud.clock.advance(seconds=5)
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]) == {
        "Attributes": {
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "CreatedTimestamp": "1700000000",
            "DelaySeconds": "0",
            "LastModifiedTimestamp": "1700000000",
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "QueueArn": "arn:aws:sqs:eu-west-1:000000000000:queue",
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "true",
            "VisibilityTimeout": "30",
        }
    }


def test_attributes_are_told_by_name_and_left_out_without_a_value(cloud):
    url = cloud.queue("queue", DelaySeconds="7")
    names = ["DelaySeconds", "Policy", "QueueArn", "FifoQueue"]
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=names)["Attributes"] == {
        "DelaySeconds": "7",
        "QueueArn": "arn:aws:sqs:eu-west-1:000000000000:queue",
    }
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url) == {}
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["Policy"]) == {}
    with refused("InvalidAttributeName", "^Unknown Attribute Colour.$"):
        cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["Colour"])


def test_setting_attributes(cloud):
    url = cloud.queue("queue")
    cloud.clock.advance(seconds=9)
    cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "69", "Policy": '{"Version": "2012-10-17"}'})
    attributes = cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (attributes["VisibilityTimeout"], attributes["Policy"]) == ("69", '{"Version": "2012-10-17"}')
    assert (attributes["CreatedTimestamp"], attributes["LastModifiedTimestamp"]) == ("1700000000", "1700000009")
    cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": ""})
    assert "Policy" not in cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("DelaySeconds", ["-1", "901", "1.5", "", "x", "٣"]),
        ("VisibilityTimeout", ["-1", "43201"]),
        ("MaximumMessageSize", ["1023", "1048577"]),
        ("MessageRetentionPeriod", ["59", "1209601"]),
        ("ReceiveMessageWaitTimeSeconds", ["-1", "21"]),
        ("KmsDataKeyReusePeriodSeconds", ["59", "86401"]),
        ("SqsManagedSseEnabled", ["maybe"]),
        ("Policy", ["[", "[]", "text"]),
    ],
)
def test_values_that_break_their_rule(cloud, name, values):
    url = cloud.queue("queue")
    for value in values:
        with refused("InvalidAttributeValue", f"^Invalid value for the parameter {name}.$"):
            cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={name: value})


@pytest.mark.parametrize("name", ["QueueArn", "CreatedTimestamp", "ApproximateNumberOfMessages", "All", "FifoQueue", "Colour"])
def test_attributes_that_cannot_be_set(cloud, name):
    url = cloud.queue("queue")
    with refused("InvalidAttributeName", f"^Unknown Attribute {name}.$"):
        cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={name: "1"})


def test_one_kind_of_encryption_at_a_time(cloud):
    url = cloud.queue("queue")
    cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"KmsMasterKeyId": "key", "KmsDataKeyReusePeriodSeconds": "6000"})
    names = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"]
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=names)["Attributes"] == {
        "KmsMasterKeyId": "key",
        "KmsDataKeyReusePeriodSeconds": "6000",
        "SqsManagedSseEnabled": "false",
    }
    with refused("InvalidAttributeName", "^You can use one type of server-side encryption"):
        cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"KmsMasterKeyId": "key", "SqsManagedSseEnabled": "true"})
    cloud.sqs("SetQueueAttributes", QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=names)["Attributes"] == {"SqsManagedSseEnabled": "true"}


def test_redrive_policies(cloud):
    dead, url = cloud.queue("dead"), cloud.queue("queue")
    arn = cloud.arn(dead)

    def set_policy(policy):
        cloud.sqs(
            "SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": policy if isinstance(policy, str) else json.dumps(policy)}
        )

    for wrong, reason in [
        ("text", "Not a valid JSON map."),
        ({"maxReceiveCount": 3}, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        ({"deadLetterTargetArn": arn}, "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ({"deadLetterTargetArn": arn, "maxReceiveCount": 0}, "valid values are from 1 to 1000"),
        ({"deadLetterTargetArn": arn, "maxReceiveCount": 1001}, "valid values are from 1 to 1000"),
        ({"deadLetterTargetArn": "dead", "maxReceiveCount": 1}, "Invalid value for deadLetterTargetArn."),
        ({"deadLetterTargetArn": arn + "er", "maxReceiveCount": 1}, "Dead letter target does not exist."),
        ({"deadLetterTargetArn": arn.replace("eu-west-1", "us-east-1"), "maxReceiveCount": 1}, "Dead letter target does not exist."),
    ]:
        with refused("InvalidParameterValueException", f"for parameter RedrivePolicy is invalid. Reason: .*{reason}"):
            set_policy(wrong)
    set_policy({"maxReceiveCount": "3", "deadLetterTargetArn": arn})
    kept = cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert kept == '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:dead","maxReceiveCount":3}'
    assert cloud.sqs("ListDeadLetterSourceQueues", QueueUrl=dead) == {"queueUrls": [url]}
    set_policy("")
    assert cloud.sqs("ListDeadLetterSourceQueues", QueueUrl=dead) == {"queueUrls": []}
    set_policy("{}")
    assert cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["RedrivePolicy"]) == {}


def test_a_queue_may_refuse_to_take_dead_letters(cloud):
    dead, source = cloud.queue("dead"), cloud.queue("source")
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": cloud.arn(dead), "maxReceiveCount": 1})}

    def allow(**policy):
        cloud.sqs("SetQueueAttributes", QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(policy)})

    allow(redrivePermission="denyAll")
    with refused("InvalidParameterValueException", "does not allow arn:aws:sqs:eu-west-1:000000000000:source"):
        cloud.sqs("SetQueueAttributes", QueueUrl=source, Attributes=redrive)
    allow(redrivePermission="byQueue", sourceQueueArns=[cloud.arn(source)])
    cloud.sqs("SetQueueAttributes", QueueUrl=source, Attributes=redrive)
    with refused("InvalidParameterValueException", "does not allow"):
        cloud.queue("another", **redrive)
    for wrong in (
        {},
        {"redrivePermission": "some"},
        {"redrivePermission": "byQueue"},
        {"redrivePermission": "allowAll", "sourceQueueArns": []},
    ):
        with refused("InvalidParameterValueException", "for parameter RedriveAllowPolicy is invalid"):
            allow(**wrong)


def test_listing_queues(cloud):
    assert cloud.sqs("ListQueues") == {}
    urls = [cloud.queue(f"{kind}-{number}") for kind in "ab" for number in range(3)]
    cloud.sqs("CreateQueue", caller=cloud.other(region="us-east-1"), QueueName="a-elsewhere")
    cloud.sqs("CreateQueue", caller=cloud.other(account="111111111111"), QueueName="a-others")
    assert cloud.sqs("ListQueues") == {"QueueUrls": urls}
    assert cloud.sqs("ListQueues", QueueNamePrefix="b-") == {"QueueUrls": urls[3:]}
    assert cloud.sqs("ListQueues", QueueNamePrefix="%") == {}
    first = cloud.sqs("ListQueues", MaxResults=4)
    assert first["QueueUrls"] == urls[:4]
    assert cloud.sqs("ListQueues", MaxResults=4, NextToken=first["NextToken"]) == {"QueueUrls": urls[4:]}
    assert cloud.sqs("ListQueues", MaxResults=6) == {"QueueUrls": urls}
    for wrong in ({"MaxResults": 0}, {"MaxResults": 1001}, {"MaxResults": 1, "NextToken": "ü"}, {"NextToken": first["NextToken"]}):
        with refused("InvalidParameterValueException"):
            cloud.sqs("ListQueues", **wrong)


def test_accounts_and_regions_do_not_see_each_other(cloud):
    url = cloud.queue("queue")
    cloud.send(url, "ours")
    theirs = cloud.other(region="us-east-1")
    with refused("QueueDoesNotExist"):
        cloud.sqs("GetQueueUrl", caller=theirs, QueueName="queue")
    cloud.sqs("CreateQueue", caller=theirs, QueueName="queue")
    assert cloud.sqs("ReceiveMessage", caller=theirs, QueueUrl=url) == {}
    for operation in ("DeleteQueue", "PurgeQueue", "ReceiveMessage"):
        with refused("QueueDoesNotExist"):
            cloud.sqs(operation, caller=cloud.other(account="111111111111"), QueueUrl=url)
    with refused("QueueDoesNotExist"):
        cloud.sqs("GetQueueUrl", QueueName="queue", QueueOwnerAWSAccountId="111111111111")
    assert cloud.bodies(url) == ["ours"]


def test_a_deleted_queue_is_gone_with_its_messages_and_may_be_made_again(cloud):
    url = cloud.queue("queue")
    cloud.send(url, "old")
    handle = cloud.receive(url, VisibilityTimeout=0)[0]["ReceiptHandle"]
    cloud.sqs("DeleteQueue", QueueUrl=url)
    for operation in ("DeleteQueue", "ReceiveMessage", "GetQueueAttributes", "PurgeQueue", "ListQueueTags"):
        with refused("QueueDoesNotExist"):
            cloud.sqs(operation, QueueUrl=url)
    assert cloud.queue("queue") == url
    assert cloud.receive(url) == []
    with refused("ReceiptHandleIsInvalid"):
        cloud.sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)


def test_tags(cloud):
    url = cloud.sqs("CreateQueue", QueueName="queue", tags={"a": "1"})["QueueUrl"]
    assert cloud.sqs("CreateQueue", QueueName="queue", tags={"b": "2"}) == {"QueueUrl": url}
    cloud.sqs("TagQueue", QueueUrl=url, Tags={"a": "2", "b": ""})
    assert cloud.sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"a": "2", "b": ""}}
    cloud.sqs("UntagQueue", QueueUrl=url, TagKeys=["a", "missing"])
    assert cloud.sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"b": ""}}
    cloud.sqs("UntagQueue", QueueUrl=url, TagKeys=["b"])
    assert cloud.sqs("ListQueueTags", QueueUrl=url) == {}
    for wrong in ({str(number): "" for number in range(51)}, {"": "x"}, {"a" * 129: "x"}, {"a": "x" * 257}):
        with refused("InvalidParameterValueException"):
            cloud.sqs("TagQueue", QueueUrl=url, Tags=wrong)


def test_permissions_are_statements_of_the_policy(cloud):
    url = cloud.queue("queue")

    def policy():
        attributes = cloud.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["Policy"])
        return json.loads(attributes["Attributes"]["Policy"]) if attributes else None

    both = ["111111111111", "222222222222"]
    cloud.sqs("AddPermission", QueueUrl=url, Label="one", AWSAccountIds=both, Actions=["ReceiveMessage"])
    cloud.sqs("AddPermission", QueueUrl=url, Label="two", AWSAccountIds=both[:1], Actions=["*", "SendMessage"])
    arn = "arn:aws:sqs:eu-west-1:000000000000:queue"
    assert policy() == {
        "Version": "2008-10-17",
        "Id": f"{arn}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]},
                "Action": "SQS:ReceiveMessage",
                "Resource": arn,
            },
            {
                "Sid": "two",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
                "Action": ["SQS:*", "SQS:SendMessage"],
                "Resource": arn,
            },
        ],
    }
    with refused("InvalidParameterValueException", "^Value one for parameter Label is invalid. Reason: Already exists.$"):
        cloud.sqs("AddPermission", QueueUrl=url, Label="one", AWSAccountIds=both, Actions=["ReceiveMessage"])
    for wrong in (
        {"Label": "a b", "AWSAccountIds": both, "Actions": ["*"]},
        {"Label": "x", "AWSAccountIds": [], "Actions": ["*"]},
        {"Label": "x", "AWSAccountIds": ["me"], "Actions": ["*"]},
        {"Label": "x", "AWSAccountIds": both, "Actions": ["Dance"]},
    ):
        with refused("InvalidParameterValueException"):
            cloud.sqs("AddPermission", QueueUrl=url, **wrong)
    with refused("OverLimit", "^8 Actions were found, maximum allowed is 7.$"):
        cloud.sqs("AddPermission", QueueUrl=url, Label="x", AWSAccountIds=both, Actions=["*"] * 8)
    with refused("MissingRequiredParameterException"):
        cloud.sqs("AddPermission", QueueUrl=url, Label="x", AWSAccountIds=both, Actions=[])
    cloud.sqs("RemovePermission", QueueUrl=url, Label="one")
    assert [statement["Sid"] for statement in policy()["Statement"]] == ["two"]
    cloud.sqs("RemovePermission", QueueUrl=url, Label="two")
    assert policy() is None
    with refused("InvalidParameterValueException", "^Value two for parameter Label is invalid. Reason: can't find label.$"):
        cloud.sqs("RemovePermission", QueueUrl=url, Label="two")
