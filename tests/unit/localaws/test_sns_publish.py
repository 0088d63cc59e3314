import asyncio
import base64
import hashlib
import json
import logging
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.sns import Topics
from openrek.localaws.sns.signing import Signer

TEXT = {"DataType": "String", "StringValue": "wörd"}


def refused(code, message=None):
    return pytest.raises(ServiceError, match=message, check=lambda error: error.code == code)


def publish(cloud, topic, message="hello", **params):
    return cloud.sns("Publish", TopicArn=topic, Message=message, **params)["MessageId"]


@pytest.fixture
def subscribed(cloud):
    topic, url = cloud.topic(), cloud.queue()
    return topic, url, cloud.subscribe(topic, url)


def test_the_envelope(cloud, subscribed):
    topic, url, subscription = subscribed
    cloud.clock.advance(milliseconds=7)
    binary = {"DataType": "Binary", "BinaryValue": b"\x02\x03"}
    message_id = publish(cloud, topic, 'hällo "world"\n', Subject="Grüße", MessageAttributes={"text": TEXT, "bytes": binary})
    [message] = cloud.receive(url, MessageAttributeNames=["All"], AttributeNames=["All"])
    assert "MessageAttributes" not in message
    assert message["MessageId"] != message_id
    envelope = json.loads(message["Body"])
    assert list(envelope) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
        "MessageAttributes",
    ]
    assert envelope["Type"] == "Notification"
    assert envelope["MessageId"] == message_id == str(uuid.UUID(message_id))
    assert (envelope["TopicArn"], envelope["Subject"], envelope["Message"]) == (topic, "Grüße", 'hällo "world"\n')
    assert envelope["Timestamp"] == "2023-11-14T22:13:20.007Z"
    assert envelope["UnsubscribeURL"] == f"http://localhost:4599/?Action=Unsubscribe&SubscriptionArn={subscription}"
    assert envelope["SigningCertURL"] == f"http://localhost:4599{cloud.topics.signer.path}"
    assert envelope["MessageAttributes"] == {
        "text": {"Type": "String", "Value": "wörd"},
        "bytes": {"Type": "Binary", "Value": "AgM="},
    }
    assert message["Body"].startswith('{\n  "Type" : "Notification",\n  "MessageId" : ')
    assert message["Attributes"]["SenderId"] == "AIDAIT2UOQQY3AUEKVGXU"


def test_what_was_not_given_is_not_in_the_envelope(cloud, subscribed):
    topic, url, _ = subscribed
    publish(cloud, topic)
    envelope = json.loads(cloud.bodies(url)[0])
    assert not envelope.keys() & {"Subject", "MessageAttributes"}


def verified(signer, envelope, canonical):
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[envelope["SignatureVersion"]]
    certificate = x509.load_pem_x509_certificate(signer.certificate.encode())
    certificate.public_key().verify(base64.b64decode(envelope["Signature"]), canonical.encode(), padding.PKCS1v15(), algorithm)


@pytest.mark.parametrize("version", [None, "1", "2"])
def test_the_signature_is_that_of_the_certificate(cloud, subscribed, version):
    topic, url, _ = subscribed
    if version:
        cloud.sns("SetTopicAttributes", TopicArn=topic, AttributeName="SignatureVersion", AttributeValue=version)
    publish(cloud, topic, "hällo", Subject="About")
    publish(cloud, topic, "no subject")
    with_subject, without = (json.loads(body) for body in cloud.bodies(url))
    assert with_subject["SignatureVersion"] == (version or "1")
    parts = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    verified(cloud.topics.signer, with_subject, "".join(f"{part}\n{with_subject[part]}\n" for part in parts))
    parts.remove("Subject")
    verified(cloud.topics.signer, without, "".join(f"{part}\n{without[part]}\n" for part in parts))


def test_the_certificate_is_one(signer):
    certificate = x509.load_pem_x509_certificate(signer.certificate.encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.public_key().key_size == 2048
    assert certificate.subject.rfc4514_string() == "CN=sns.openrek"
    assert certificate.not_valid_before_utc.year == 2023
    assert certificate.not_valid_after_utc.year == 2123
    assert signer.path.endswith(f"{hashlib.sha256(signer.certificate.encode()).hexdigest()[:32]}.pem")


def test_the_signer_is_kept(store, monkeypatch):
    first = Topics(store, endpoint="http://localhost").signer
    monkeypatch.setattr(Signer, "new", None)
    again = Topics(store, endpoint="http://localhost").signer
    assert again.certificate == first.certificate
    assert again.sign("text", "2") == first.sign("text", "2")


def test_raw_delivery(cloud):
    topic, url = cloud.topic(), cloud.queue()
    cloud.subscribe(topic, url, RawMessageDelivery="true")
    attributes = {"text": TEXT, "bytes": {"DataType": "Binary", "BinaryValue": b"\x00"}, "n": {"DataType": "Number", "StringValue": "1.5"}}
    publish(cloud, topic, "bare", Subject="not there", MessageAttributes=attributes)
    [message] = cloud.receive(url, MessageAttributeNames=["All"])
    assert message["Body"] == "bare"
    assert message["MessageAttributes"] == attributes


def test_a_message_for_every_protocol(cloud, subscribed):
    topic, url, _ = subscribed
    publish(cloud, topic, json.dumps({"default": "all", "sqs": "queues", "lambda": "functions", "odd": 3}), MessageStructure="json")
    publish(cloud, topic, json.dumps({"default": "all"}), MessageStructure="json")
    assert [json.loads(body)["Message"] for body in cloud.bodies(url)] == ["queues", "all"]
    for wrong, message in [
        ("text", "JSON message body failed to parse"),
        ("[]", "JSON message body failed to parse"),
        ("{}", "No default entry in JSON message body"),
        ('{"default": 1}', "No default entry in JSON message body"),
    ]:
        with refused("InvalidParameterException", f"^Invalid parameter: Message Structure - {message}$"):
            publish(cloud, topic, wrong, MessageStructure="json")
    with refused("InvalidParameterException", "^Invalid parameter: MessageStructure$"):
        publish(cloud, topic, MessageStructure="xml")


def test_target_arn_does_as_well(cloud, subscribed):
    topic, url, _ = subscribed
    cloud.sns("Publish", TargetArn=topic, Message="target")
    assert json.loads(cloud.bodies(url)[0])["Message"] == "target"
    with refused("InvalidParameterException", "No endpoint found for the target arn specified"):
        cloud.sns("Publish", TargetArn="arn:aws:sns:eu-west-1:000000000000:endpoint/GCM/app/1", Message="x")
    with refused("InvalidParameterException", "^Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter$"):
        cloud.sns("Publish", Message="x")
    with refused("InvalidParameterException", "no text messages"):
        cloud.sns("Publish", PhoneNumber="+491234", Message="x")


@pytest.mark.parametrize("subject", ["", "x" * 101, "two\nlines", "tab\t", "\x7f", "\u2028"])
def test_subjects_that_are_refused(cloud, subject):
    with refused("InvalidParameterException", "^Invalid parameter: Subject$"):
        publish(cloud, cloud.topic(), Subject=subject)


def test_messages_that_are_refused(cloud):
    topic = cloud.topic()
    with refused("InvalidParameterException", "^Invalid parameter: Empty message$"):
        publish(cloud, topic, "")
    attributes = {"name": TEXT}
    room = 262_144 - len("name" + "String") - 5
    assert publish(cloud, topic, "x" * room, MessageAttributes=attributes)
    with refused("InvalidParameterException", "^Invalid parameter: Message too long$"):
        publish(cloud, topic, "x" * (room + 1), MessageAttributes=attributes)
    with refused("InvalidParameterException", "^Invalid parameter: MessageDeduplicationId Reason"):
        publish(cloud, topic, MessageDeduplicationId="x")
    with refused("InvalidParameterException", "MessageGroupId"):
        publish(cloud, topic, MessageGroupId="a b")


@pytest.mark.parametrize(
    ("name", "attribute", "message"),
    [
        (
            "a",
            {"DataType": "String", "StringValue": ""},
            "must contain non-empty message attribute value for message attribute type 'String'.$",
        ),
        ("a", {"DataType": "Binary"}, "must contain non-empty message attribute value for message attribute type 'Binary'.$"),
        ("a", {"DataType": "Number", "BinaryValue": b"x"}, "with type 'Number' must use field 'String'.$"),
        ("a", {"DataType": "Binary", "StringValue": "x"}, "with type 'Binary' must use field 'Binary'.$"),
        ("a", {"DataType": "Stringy", "StringValue": "x"}, "the set of supported type prefixes is Binary, Number, and String.$"),
        ("a" * 257, TEXT, "^Length of message attribute name must be less than 256 bytes.$"),
        ("a^b", TEXT, "^Invalid non-alphanumeric character '#x5E' was found"),
        (".a", TEXT, "starting with character '.' was found.$"),
        ("a.", TEXT, "ending with character '.' was found.$"),
        ("a..b", TEXT, "^Message attribute name can not have successive '.' character.$"),
    ],
)
def test_attributes_that_are_refused(cloud, name, attribute, message):
    with refused("InvalidParameterValueException", message):
        publish(cloud, cloud.topic(), MessageAttributes={name: attribute})


def test_every_subscriber_gets_its_copy_at_once(cloud):
    topic = cloud.topic()
    urls = [cloud.queue(f"queue-{number}") for number in range(3)]
    for url in urls:
        cloud.subscribe(topic, url)
    message_id = publish(cloud, topic)
    assert {json.loads(cloud.bodies(url)[0])["MessageId"] for url in urls} == {message_id}


def test_queues_keep_their_own_delay(cloud):
    topic, url = cloud.topic(), cloud.queue(DelaySeconds="5")
    cloud.subscribe(topic, url)
    publish(cloud, topic)
    assert cloud.counts(url) == (0, 1, 0)


def test_a_group_goes_along(cloud, subscribed):
    topic, url, _ = subscribed
    publish(cloud, topic, MessageGroupId="tenant")
    assert cloud.receive(url, AttributeNames=["MessageGroupId"])[0]["Attributes"] == {"MessageGroupId": "tenant"}


def test_a_queue_of_another_region_is_reached(cloud):
    topic = cloud.topic()
    elsewhere = cloud.other(region="us-east-1")
    url = cloud.sqs("CreateQueue", caller=elsewhere, QueueName="queue")["QueueUrl"]
    cloud.sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:queue")
    publish(cloud, topic)
    assert cloud.sqs("ReceiveMessage", caller=elsewhere, QueueUrl=url)["Messages"]


def test_a_queue_that_is_made_later_gets_what_is_published_later(cloud, caplog):
    topic = cloud.topic()
    cloud.sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:000000000000:queue")
    with caplog.at_level(logging.WARNING):
        publish(cloud, topic, "lost")
    assert "did not reach arn:aws:sqs:eu-west-1:000000000000:queue: the queue does not exist" in caplog.text
    url = cloud.queue()
    publish(cloud, topic, "reached")
    assert [json.loads(body)["Message"] for body in cloud.bodies(url)] == ["reached"]


def test_what_reaches_no_queue_goes_to_the_dead_letters_of_the_subscription(cloud):
    topic, small, dead = cloud.topic(), cloud.queue("small", MaximumMessageSize="1024"), cloud.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": cloud.arn(dead)})
    subscription = cloud.subscribe(topic, small, RedrivePolicy=redrive, RawMessageDelivery="true")
    publish(cloud, topic, "x" * 1024)
    publish(cloud, topic, "y" * 1025, MessageAttributes={"text": TEXT})
    assert cloud.bodies(small) == ["x" * 1024]
    [message] = cloud.receive(dead, MessageAttributeNames=["All"])
    assert (message["Body"], message["MessageAttributes"]) == ("y" * 1025, {"text": TEXT})
    cloud.sqs("DeleteQueue", QueueUrl=small)
    publish(cloud, topic, "z")
    assert cloud.bodies(dead) == ["z"]
    cloud.sns("SetSubscriptionAttributes", SubscriptionArn=subscription, AttributeName="RedrivePolicy", AttributeValue="")
    publish(cloud, topic, "lost")
    assert cloud.bodies(dead) == []


def batch(cloud, topic, *entries):
    return cloud.sns("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=list(entries))


def test_a_batch(cloud, subscribed):
    topic, url, _ = subscribed
    answer = batch(
        cloud,
        topic,
        {"Id": "a", "Message": "one", "Subject": "First"},
        {"Id": "b", "Message": '{"default": "d", "sqs": "two"}', "MessageStructure": "json", "MessageAttributes": {"text": TEXT}},
    )
    first, second = (json.loads(body) for body in cloud.bodies(url))
    assert (first["Message"], first["Subject"], second["Message"]) == ("one", "First", "two")
    assert answer == {
        "Successful": [{"Id": "a", "MessageId": first["MessageId"]}, {"Id": "b", "MessageId": second["MessageId"]}],
        "Failed": [],
    }


def test_batches_that_are_refused(cloud, subscribed):
    topic, url, _ = subscribed
    with refused("EmptyBatchRequestException"):
        batch(cloud, topic)
    with refused("TooManyEntriesInBatchRequestException", "^The batch request contains more entries than permissible.$"):
        batch(cloud, topic, *({"Id": str(number), "Message": "x"} for number in range(11)))
    with refused("BatchEntryIdsNotDistinctException", "^Two or more batch entries in the request have the same Id.$"):
        batch(cloud, topic, {"Id": "a", "Message": "x"}, {"Id": "a", "Message": "x"})
    with refused("InvalidBatchEntryIdException", "is too long: aaa"):
        batch(cloud, topic, {"Id": "a" * 81, "Message": "x"})
    with refused("InvalidBatchEntryIdException", r"contains an impermissible character: a\.b$"):
        batch(cloud, topic, {"Id": "a.b", "Message": "x"})
    with refused("BatchRequestTooLongException", "^The length of all the messages put together is more than the limit.$"):
        batch(cloud, topic, {"Id": "a", "Message": "x" * 200_000}, {"Id": "b", "Message": "x" * 62_145})
    with refused("InvalidParameterException", "Empty message"):
        batch(cloud, topic, {"Id": "a", "Message": "x"}, {"Id": "b", "Message": ""})
    assert cloud.receive(url) == []


def test_a_publication_that_names_itself_is_delivered_once(cloud, subscribed):
    topic, url, _ = subscribed
    first = cloud.topics.publish(topic, "completed", publication_id="job-1")
    cloud.clock.advance(days=6.9)
    assert cloud.topics.publish(topic, "completed", publication_id="job-1") == first
    assert cloud.topics.publish(topic, "completed", publication_id="job-2") != first
    received = [json.loads(body) for body in cloud.bodies(url)]
    assert len(received) == 1  # the first has passed the retention of its queue by now
    assert received[0]["UnsubscribeURL"].startswith("http://relay:4599/?Action=Unsubscribe")


def test_one_delivery_however_many_relays_publish_at_once(cloud, subscribed):
    topic, url, _ = subscribed

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(cloud.topics.publish, topic, "x", publication_id="job") for _ in range(20)))

    assert len(set(asyncio.run(main()))) == 1
    assert len(cloud.receive(url)) == 1


def test_publications_are_forgotten_after_seven_days(cloud, subscribed):
    topic, url, _ = subscribed
    first = cloud.topics.publish(topic, "x", publication_id="job")
    cloud.clock.advance(days=7)
    assert cloud.topics.publish(topic, "x", publication_id="job") == first
    cloud.clock.advance(milliseconds=1)
    second = cloud.topics.publish(topic, "x", publication_id="job")
    assert second != first
    assert cloud.topics.publish(topic, "x", publication_id="job") == second
    cloud.clock.advance(days=8)
    asyncio.run(cloud.topics.sweep())
    assert cloud.topics.publish(topic, "x", publication_id="job") != second
    assert len(cloud.receive(url)) == 1


def test_publishing_for_the_server_itself(cloud, subscribed):
    topic, url, _ = subscribed
    message_id = cloud.topics.publish(topic, "text", subject="About", attributes={"text": TEXT})
    envelope = json.loads(cloud.bodies(url)[0])
    assert (envelope["MessageId"], envelope["Subject"], list(envelope["MessageAttributes"])) == (message_id, "About", ["text"])
    with refused("NotFoundException", "^Topic does not exist$"):
        cloud.topics.publish(topic + "s", "text")
    with refused("InvalidParameterException"):
        cloud.topics.publish("topic", "text")
    with refused("InvalidParameterException", "Empty message"):
        cloud.topics.publish(topic, "")
