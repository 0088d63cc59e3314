"""A program of its own that uses SNS and SQS while something else goes on, and says how long it waited: `receiving_client.py ENDPOINT`.

Until its standard input ends: one thread asks an empty queue, now; one publishes ten messages a second to a topic; one receives them by
long polls, from the queue that is subscribed to the topic, and deletes them. Prints JSON: milliseconds of each kind.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config


def main(endpoint: str) -> None:
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=8)
    session = boto3.Session("openrek", "openrek-secret", region_name="us-east-1")
    sqs, sns = (session.client(name, endpoint_url=endpoint, config=config) for name in ("sqs", "sns"))
    name = f"measured-{uuid.uuid4().hex[:8]}"
    empty = sqs.create_queue(QueueName=f"{name}-empty")["QueueUrl"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    stopped = threading.Event()
    taken: dict[str, list[float]] = {"receive from an empty queue": [], "publish to a long poll's answer": [], "publish": [], "delete": []}
    published: dict[str, float] = {}

    def timed(kind: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        answer = call()
        taken[kind].append(1000 * (time.perf_counter() - began))
        return answer

    def ask() -> None:
        while not stopped.wait(0.05):
            timed("receive from an empty queue", lambda: sqs.receive_message(QueueUrl=empty))

    def publish() -> None:
        while not stopped.wait(0.1):
            text = uuid.uuid4().hex
            published[text] = time.perf_counter()
            timed("publish", lambda text=text: sns.publish(TopicArn=topic, Message=text))

    def receive() -> None:
        while not stopped.is_set():
            for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2).get("Messages", []):
                taken["publish to a long poll's answer"].append(1000 * (time.perf_counter() - published.pop(message["Body"])))
                timed("delete", lambda message=message: sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"]))

    threads = [threading.Thread(target=target) for target in (ask, publish, receive)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1])
