import json

import pytest

from openrek.awsmodel.calls import ServiceError

ARN = "arn:aws:sns:eu-west-1:000000000000:topic"


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def attributes(cloud, arn):
    return cloud.sns("GetTopicAttributes", TopicArn=arn)["Attributes"]


def test_attributes_of_a_new_topic(cloud):
    found = attributes(cloud, cloud.topic())
    assert json.loads(found.pop("Policy")) == {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "SNS:GetTopicAttributes",
                    "SNS:SetTopicAttributes",
                    "SNS:AddPermission",
                    "SNS:RemovePermission",
                    "SNS:DeleteTopic",
                    "SNS:Subscribe",
                    "SNS:ListSubscriptionsByTopic",
                    "SNS:Publish",
                ],
                "Resource": ARN,
                "Condition": {"StringEquals": {"AWS:SourceOwner": "000000000000"}},
            }
        ],
    }
    assert json.loads(found.pop("EffectiveDeliveryPolicy"))["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert found == {
        "TopicArn": ARN,
        "Owner": "000000000000",
        "DisplayName": "",
        "SubscriptionsConfirmed": "0",
        "SubscriptionsPending": "0",
        "SubscriptionsDeleted": "0",
    }


def test_creating_a_topic_again_returns_it_unless_something_differs(cloud):
    tags = [{"Key": "a", "Value": "1"}]
    arn = cloud.sns("CreateTopic", Name="topic", Attributes={"DisplayName": "Name"}, Tags=tags)["TopicArn"]
    assert arn == ARN
    for same in ({}, {"Attributes": {"DisplayName": "Name"}}, {"Attributes": {"FifoTopic": "false"}}, {"Tags": tags}):
        assert cloud.sns("CreateTopic", Name="topic", **same) == {"TopicArn": arn}
    with refused("InvalidParameterException", "^Invalid parameter: Attributes Reason: Topic already exists with different attributes$"):
        cloud.topic(DisplayName="Other")
    with refused("InvalidParameterException", "^Invalid parameter: Tags Reason: Topic already exists with different tags$"):
        cloud.sns("CreateTopic", Name="topic", Tags=[*tags, {"Key": "b", "Value": "2"}])


@pytest.mark.parametrize("name", ["", "a" * 257, "a b", "a.b", "ü", "topic.fifo"])
def test_names_that_are_none(cloud, name):
    with refused("InvalidParameterException", "^Invalid parameter: Topic Name$"):
        cloud.topic(name)


def test_what_openrek_does_not_have_is_refused_in_so_many_words(cloud):
    with refused("InvalidParameterException", "no FIFO topics"):
        cloud.topic("topic.fifo", FifoTopic="true")
    with refused("InvalidParameterException", "does not look into messages"):
        cloud.sns("CreateTopic", Name="topic", DataProtectionPolicy="{}")


def test_setting_attributes(cloud):
    arn = cloud.topic()

    def put(name, value=None):
        cloud.sns("SetTopicAttributes", TopicArn=arn, AttributeName=name, **({} if value is None else {"AttributeValue": value}))

    put("DisplayName", "Name")
    put("SQSSuccessFeedbackSampleRate", "100")
    put("DeliveryPolicy", json.dumps({"http": {"defaultHealthyRetryPolicy": {"numRetries": 1}}}))
    found = attributes(cloud, arn)
    assert (found["DisplayName"], found["SQSSuccessFeedbackSampleRate"]) == ("Name", "100")
    retries = json.loads(found["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]
    assert (retries["numRetries"], retries["minDelayTarget"]) == (1, 20)
    put("DisplayName")
    assert attributes(cloud, arn)["DisplayName"] == ""
    for name, value, reason in [
        ("FifoTopic", "false", "^Invalid parameter: AttributeName$"),
        ("TopicArn", "x", "^Invalid parameter: AttributeName$"),
        ("Colour", "x", "^Invalid parameter: AttributeName$"),
        ("SignatureVersion", "3", "Must be 1 or 2"),
        ("TracingConfig", "x", "Must be PassThrough or Active"),
        ("Policy", "text", "failed to parse JSON"),
        ("DisplayName", "x" * 101, "at most 100"),
    ]:
        with refused("InvalidParameterException", reason):
            put(name, value)


@pytest.mark.parametrize(
    ("arn", "code", "message"),
    [
        ("topic", "InvalidParameterException", "^Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1$"),
        ("arn:aws:sns:eu-west-1:topic", "InvalidParameterException", "at least 6 elements, not 5"),
        ("arn:aws:sqs:eu-west-1:000000000000:topic", "InvalidParameterException", "^Invalid parameter: TopicArn$"),
        (ARN.replace("eu-west-1", "us-east-1"), "InvalidParameterException", "^Invalid parameter: TopicArn$"),
        (ARN.replace("000000000000", "111111111111"), "NotFoundException", "^Topic does not exist$"),
        (ARN + "s", "NotFoundException", "^Topic does not exist$"),
        (ARN + "\ud800", "NotFoundException", "^Topic does not exist$"),
    ],
)
def test_arns_that_name_no_topic(cloud, arn, code, message):
    cloud.topic()
    url = cloud.queue()
    for operation, params in [
        ("GetTopicAttributes", {}),
        ("SetTopicAttributes", {"AttributeName": "DisplayName"}),
        ("Subscribe", {"Protocol": "sqs", "Endpoint": cloud.arn(url)}),
        ("Publish", {"Message": "x"}),
        ("PublishBatch", {"PublishBatchRequestEntries": [{"Id": "a", "Message": "x"}]}),
        ("ListSubscriptionsByTopic", {}),
        ("AddPermission", {"Label": "x", "AWSAccountId": ["111111111111"], "ActionName": ["Publish"]}),
        ("RemovePermission", {"Label": "x"}),
    ]:
        with refused(code, message):
            cloud.sns(operation, TopicArn=arn, **params)


def test_deleting_a_topic_takes_its_subscriptions_along(cloud):
    arn, url = cloud.topic(), cloud.queue()
    subscription = cloud.subscribe(arn, url)
    for _ in range(2):
        assert cloud.sns("DeleteTopic", TopicArn=arn) == {}
    assert cloud.sns("ListSubscriptions") == {"Subscriptions": []}
    with refused("NotFoundException", "^Subscription does not exist$"):
        cloud.sns("GetSubscriptionAttributes", SubscriptionArn=subscription)
    cloud.topic()
    cloud.sns("Publish", TopicArn=arn, Message="x")
    assert cloud.receive(url) == []


def test_a_hundred_topics_a_page(cloud):
    names = [f"topic-{number:03}" for number in range(101)]
    for name in names:
        cloud.topic(name)
    cloud.sns("CreateTopic", caller=cloud.other(region="us-east-1"), Name="elsewhere")
    first = cloud.sns("ListTopics")
    second = cloud.sns("ListTopics", NextToken=first["NextToken"])
    found = [topic["TopicArn"].rpartition(":")[2] for topic in first["Topics"] + second["Topics"]]
    assert (found, len(second["Topics"]), "NextToken" in second) == (names, 1, False)
    cloud.sns("DeleteTopic", TopicArn=ARN.replace("topic", names[-1]))
    assert "NextToken" not in cloud.sns("ListTopics")
    with refused("InvalidParameterException", "^Invalid parameter: NextToken"):
        cloud.sns("ListTopics", NextToken="ü")


def test_tags(cloud):
    arn = cloud.topic()
    pairs = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    cloud.sns("TagResource", ResourceArn=arn, Tags=pairs)
    cloud.sns("TagResource", ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    cloud.sns("UntagResource", ResourceArn=arn, TagKeys=["b", "c"])
    assert cloud.sns("ListTagsForResource", ResourceArn=arn) == {"Tags": [{"Key": "a", "Value": "3"}]}
    with refused("InvalidParameterException", "^Invalid parameter: Duplicated keys are not allowed.$"):
        cloud.sns("TagResource", ResourceArn=arn, Tags=[pairs[0], pairs[0]])
    with refused("TagLimitExceededException"):
        cloud.sns("TagResource", ResourceArn=arn, Tags=[{"Key": str(number), "Value": ""} for number in range(50)])
    for missing in (arn + "s", "topic", arn.replace("eu-west-1", "us-east-1")):
        with refused("ResourceNotFoundException", "^Resource does not exist$"):
            cloud.sns("ListTagsForResource", ResourceArn=missing)


def test_permissions_are_statements_of_the_policy(cloud):
    arn = cloud.topic()

    def statements():
        return json.loads(attributes(cloud, arn)["Policy"])["Statement"][1:]

    cloud.sns("AddPermission", TopicArn=arn, Label="one", AWSAccountId=["111111111111"], ActionName=["Publish"])
    cloud.sns("AddPermission", TopicArn=arn, Label="two", AWSAccountId=["111111111111"], ActionName=["Publish", "Subscribe"])
    principal = {"AWS": "arn:aws:iam::111111111111:root"}
    assert statements() == [
        {"Sid": "one", "Effect": "Allow", "Principal": principal, "Action": "SNS:Publish", "Resource": arn},
        {"Sid": "two", "Effect": "Allow", "Principal": principal, "Action": ["SNS:Publish", "SNS:Subscribe"], "Resource": arn},
    ]
    with refused("InvalidParameterException", "^Invalid parameter: Statement already exists$"):
        cloud.sns("AddPermission", TopicArn=arn, Label="one", AWSAccountId=["111111111111"], ActionName=["Publish"])
    with refused("InvalidParameterException", "^Invalid parameter: Policy statement action out of service scope!$"):
        cloud.sns("AddPermission", TopicArn=arn, Label="x", AWSAccountId=["111111111111"], ActionName=["Dance"])
    for label in ("one", "two", "never"):
        cloud.sns("RemovePermission", TopicArn=arn, Label=label)
    assert statements() == []
