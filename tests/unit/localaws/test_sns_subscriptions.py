import json

import pytest
from sqlalchemy import select, update

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.schema import subscriptions


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def attributes(cloud, arn):
    return cloud.sns("GetSubscriptionAttributes", SubscriptionArn=arn)["Attributes"]


def put(cloud, arn, name, value):
    cloud.sns("SetSubscriptionAttributes", SubscriptionArn=arn, AttributeName=name, AttributeValue=value)


def test_attributes_of_a_new_subscription(cloud):
    topic, url = cloud.topic(), cloud.queue()
    arn = cloud.subscribe(topic, url)
    assert arn.startswith(f"{topic}:")
    assert attributes(cloud, arn) == {
        "SubscriptionArn": arn,
        "TopicArn": topic,
        "Owner": "000000000000",
        "Protocol": "sqs",
        "Endpoint": cloud.arn(url),
        "SubscriptionPrincipal": "arn:aws:iam::000000000000:root",
        "ConfirmationWasAuthenticated": "true",
        "PendingConfirmation": "false",
        "RawMessageDelivery": "false",
    }
    assert cloud.sns("GetTopicAttributes", TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1"


def test_subscribing_again_returns_the_subscription_unless_an_attribute_differs(cloud):
    topic, url = cloud.topic(), cloud.queue()
    arn = cloud.subscribe(topic, url, RawMessageDelivery="TRUE")
    for same in ({}, {"RawMessageDelivery": "true"}, {"FilterPolicyScope": "MessageAttributes"}):
        assert cloud.subscribe(topic, url, **same) == arn
    for different in ({"RawMessageDelivery": "false"}, {"FilterPolicy": '{"a": ["b"]}'}):
        with refused(
            "InvalidParameterException", "^Invalid parameter: Attributes Reason: Subscription already exists with different attributes$"
        ):
            cloud.subscribe(topic, url, **different)
    cloud.sns("Publish", TopicArn=topic, Message="once")
    assert cloud.bodies(url) == ["once"]


@pytest.mark.parametrize("protocol", ["email", "email-json", "sms", "application", "firehose"])
def test_protocols_that_openrek_does_not_speak(cloud, protocol):
    with refused(
        "InvalidParameterException",
        f"^Invalid parameter: Protocol Reason: openrek does not deliver to {protocol}; it delivers to sqs, lambda, http, https$",
    ):
        cloud.sns("Subscribe", TopicArn=cloud.topic(), Protocol=protocol, Endpoint="anywhere")


def test_endpoints_that_cannot_be(cloud):
    topic = cloud.topic()
    with refused("InvalidParameterException", "^Invalid parameter: Amazon SNS does not support this protocol string: pigeon$"):
        cloud.sns("Subscribe", TopicArn=topic, Protocol="pigeon", Endpoint="x")
    for endpoint, message in [
        (None, "^Invalid parameter: SQS endpoint ARN$"),
        (cloud.queue(), "^Invalid parameter: SQS endpoint ARN$"),
        (topic, "^Invalid parameter: SQS endpoint ARN$"),
        ("arn:aws:sqs:eu-west-1:000000000000:q.fifo", "FIFO SQS Queues can not be subscribed to standard SNS topics"),
        ("arn:aws:sqs:eu-west-1:111111111111:queue", "within one account"),
    ]:
        with refused("InvalidParameterException", message):
            cloud.sns("Subscribe", TopicArn=topic, Protocol="sqs", **({"Endpoint": endpoint} if endpoint else {}))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("Colour", "x", "AttributeName$"),
        ("RawMessageDelivery", "yes", r"RawMessageDelivery: Invalid value \[yes\]. Must be true or false.$"),
        ("RawMessageDelivery", "", r"RawMessageDelivery: Invalid value \[\]. Must be true or false.$"),
        ("FilterPolicyScope", "x", r"FilterPolicyScope: Invalid value \[x\]. Please use either MessageBody or MessageAttributes$"),
        ("FilterPolicy", "{", "FilterPolicy: failed to parse JSON.$"),
        ("FilterPolicy", '{"a": "b"}', 'FilterPolicy: "a" must be an object or an array$'),
        ("FilterPolicy", '{"a": {"b": ["c"]}}', "Filter policy scope MessageAttributes does not support nested filter policy$"),
        ("RedrivePolicy", "{", "RedrivePolicy: failed to parse JSON.$"),
        ("RedrivePolicy", '{"deadLetterTargetArn": "queue"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn$"),
        ("RedrivePolicy", "[]", "RedrivePolicy: deadLetterTargetArn is an invalid arn$"),
        ("DeliveryPolicy", "{}", "DeliveryPolicy: not supported for protocol sqs$"),
    ],
)
def test_attributes_that_are_refused(cloud, name, value, message):
    topic, url = cloud.topic(), cloud.queue()
    with refused("InvalidParameterException", f"^Invalid parameter: Attributes Reason: {message}"):
        cloud.subscribe(topic, url, **{name: value})
    arn = cloud.subscribe(topic, url)
    before = attributes(cloud, arn)
    with refused("InvalidParameterException", f"^Invalid parameter: {message}"):
        put(cloud, arn, name, value)
    assert attributes(cloud, arn) == before


def test_setting_attributes(cloud):
    topic, url = cloud.topic(), cloud.queue()
    arn = cloud.subscribe(topic, url)
    put(cloud, arn, "FilterPolicyScope", "MessageBody")
    assert "FilterPolicyScope" not in attributes(cloud, arn)
    put(cloud, arn, "FilterPolicy", '{"a": {"b": ["c"]}}')
    assert attributes(cloud, arn)["FilterPolicyScope"] == "MessageBody"
    with refused("InvalidParameterException", "does not support nested"):
        put(cloud, arn, "FilterPolicyScope", "MessageAttributes")
    for nothing in ("", "{}"):
        put(cloud, arn, "FilterPolicy", nothing)
        assert "FilterPolicy" not in attributes(cloud, arn)
    dead = json.dumps({"deadLetterTargetArn": cloud.arn(cloud.queue("dead"))})
    put(cloud, arn, "RedrivePolicy", dead)
    assert attributes(cloud, arn)["RedrivePolicy"] == dead


def test_only_the_owner_sees_and_changes_a_subscription(cloud):
    arn = cloud.subscribe(cloud.topic(), cloud.queue())
    for stranger in (cloud.other(account="111111111111"), cloud.other(region="us-east-1")):
        with refused("NotFoundException", "^Subscription does not exist$"):
            cloud.sns("GetSubscriptionAttributes", caller=stranger, SubscriptionArn=arn)
        with refused("NotFoundException"):
            cloud.sns(
                "SetSubscriptionAttributes", caller=stranger, SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true"
            )
        assert cloud.sns("ListSubscriptions", caller=stranger) == {"Subscriptions": []}
    with refused("AuthorizationErrorException"):
        cloud.sns("Unsubscribe", caller=cloud.other(account="111111111111"), SubscriptionArn=arn)


@pytest.mark.parametrize("signed", [True, False])
def test_unsubscribing(cloud, signed):
    topic, url = cloud.topic(), cloud.queue()
    arn = cloud.subscribe(topic, url)
    caller = cloud.caller if signed else cloud.other(access_key_id="", region="us-east-1")
    for _ in range(2):
        assert cloud.sns("Unsubscribe", caller=caller, SubscriptionArn=arn) == {}
    cloud.sns("Publish", TopicArn=topic, Message="x")
    assert cloud.receive(url) == []
    found = cloud.sns("GetTopicAttributes", TopicArn=topic)["Attributes"]
    assert (found["SubscriptionsConfirmed"], found["SubscriptionsDeleted"]) == ("0", "1")
    assert cloud.subscribe(topic, url) != arn


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("x", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        ("arn:aws:sns:eu-west-1:000000000000", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 5"),
        ("arn:aws:sns:eu-west-1:000000000000:topic", "SubscriptionId"),
        ("", "SubscriptionArn Reason: no value for required parameter"),
    ],
)
def test_arns_that_name_no_subscription(cloud, arn, message):
    with refused("InvalidParameterException", f"^Invalid parameter: {message}$"):
        cloud.sns("Unsubscribe", SubscriptionArn=arn)


def test_confirming(cloud):
    topic, url = cloud.topic(), cloud.queue()
    arn = cloud.subscribe(topic, url)
    pending = update(subscriptions).values(confirmed=False)  # as another protocol's would be
    cloud.store.submit(lambda tx: tx.sql.execute(pending).rowcount).result()
    cloud.sns("Publish", TopicArn=topic, Message="too early")
    assert cloud.receive(url) == []
    assert cloud.sns("ListSubscriptions")["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
    assert attributes(cloud, arn)["PendingConfirmation"] == "true"
    assert cloud.sns("GetTopicAttributes", TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"
    token = cloud.store.read_now(lambda tx: tx.sql.execute(select(subscriptions.c.token)).scalar())
    for wrong in ({"TopicArn": topic, "Token": "x"}, {"TopicArn": topic + "s", "Token": token}):
        with refused("InvalidParameterException", "^Invalid parameter: Token$"):
            cloud.sns("ConfirmSubscription", **wrong)
    with refused("InvalidParameterException", "^Invalid parameter: Topic$"):
        cloud.sns("ConfirmSubscription", TopicArn="x", Token=token)
    unsigned = cloud.other(access_key_id="")
    for _ in range(2):
        assert cloud.sns("ConfirmSubscription", caller=unsigned, TopicArn=topic, Token=token) == {"SubscriptionArn": arn}
    cloud.sns("Publish", TopicArn=topic, Message="in time")
    assert len(cloud.receive(url)) == 1


def test_a_hundred_subscriptions_a_page(cloud):
    topic, other = cloud.topic(), cloud.topic("other")
    for number in range(101):
        endpoint = f"arn:aws:sqs:eu-west-1:000000000000:queue-{number}"
        cloud.sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    cloud.sns("Subscribe", TopicArn=other, Protocol="sqs", Endpoint=endpoint)
    for operation, params, count in (("ListSubscriptions", {}, 102), ("ListSubscriptionsByTopic", {"TopicArn": topic}, 101)):
        first = cloud.sns(operation, **params)
        second = cloud.sns(operation, **params, NextToken=first["NextToken"])
        assert (len(first["Subscriptions"]), "NextToken" in second) == (100, False)
        assert len({one["SubscriptionArn"] for one in first["Subscriptions"] + second["Subscriptions"]}) == count
    assert first["Subscriptions"][0].keys() == {"SubscriptionArn", "Owner", "Protocol", "Endpoint", "TopicArn"}
