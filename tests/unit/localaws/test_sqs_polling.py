import asyncio
import json
import threading

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.clock import SystemClock


async def standing_in_line(cloud, url, count, **params):
    """Receivers that wait, one behind the other."""
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(cloud.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20, **params)))
        while sum(len(desk.line) for desk in cloud.queues._polling._desks.values()) <= number:
            await asyncio.sleep(0.001)
    await settled(cloud)
    return tasks


async def settled(cloud):
    """Until every desk sleeps: one more turn of the writer, and of the loop."""
    for _ in range(3):
        await cloud.store.write(lambda tx: None)
        await asyncio.sleep(0)


def body(answer):
    return [message["Body"] for message in answer.get("Messages", [])]


def test_fifty_receivers_wait_without_a_thread_and_get_one_message_each(cloud):
    url = cloud.queue()

    async def main():
        threads = threading.active_count()
        tasks = await standing_in_line(cloud, url, 50)
        assert threading.active_count() <= threads + 4  # the store's readers
        await asyncio.gather(*(cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody=str(number)) for number in range(50)))
        return [body(answer) for answer in await asyncio.wait_for(asyncio.gather(*tasks), 15)]

    received = asyncio.run(main())
    assert sorted(int(text) for [text] in received) == list(range(50))
    assert cloud.counts(url) == (0, 0, 50)


def test_who_waits_longest_is_served_first(cloud):
    url = cloud.queue()

    async def main():
        tasks = await standing_in_line(cloud, url, 5)
        for number in range(2):
            await cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody=str(number))
        await asyncio.wait_for(asyncio.gather(*tasks[:2]), 10)
        assert not any(task.done() for task in tasks[2:])
        cloud.queues.dismiss()
        return [body(answer) for answer in await asyncio.wait_for(asyncio.gather(*tasks), 10)]

    assert asyncio.run(main()) == [["0"], ["1"], [], [], []]


def test_a_wait_ends_with_nothing(cloud):
    url = cloud.queue(ReceiveMessageWaitTimeSeconds="1")

    async def main():
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await cloud.call("sqs", "ReceiveMessage", QueueUrl=url) == {}
        assert loop.time() - started >= 1
        assert await cloud.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=0) == {}
        assert not cloud.queues._polling._desks

    asyncio.run(main())


@pytest.mark.parametrize("number", range(8))
def test_a_receiver_that_goes_takes_no_message_along(cloud, number):
    """Cancelled at whatever moment: the message is visible at once, as if nobody had received it."""
    url = cloud.queue()

    async def main():
        [task] = await standing_in_line(cloud, url, 1)
        sending = asyncio.create_task(cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody="precious"))
        if number == 7:
            await sending
        for _ in range(number):
            await asyncio.sleep(0.0005 * number)
        task.cancel()
        answers = await asyncio.gather(task, return_exceptions=True)
        await sending
        await settled(cloud)
        if isinstance(answers[0], dict):  # it was faster
            assert body(answers[0]) == ["precious"]
            return
        assert isinstance(answers[0], asyncio.CancelledError)
        again = await cloud.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["ApproximateReceiveCount"])
        assert body(again) == ["precious"]
        assert again["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "1"

    asyncio.run(main())


def test_a_receiver_that_goes_as_it_is_served_takes_no_message_along(cloud):
    """Cancelled after its answer was set, before it could take it."""
    url = cloud.queue()

    async def main():
        [task] = await standing_in_line(cloud, url, 1)
        [desk] = cloud.queues._polling._desks.values()
        [receiver] = desk.line
        sending = asyncio.create_task(cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody="precious"))
        while not receiver.answer.done():
            await asyncio.sleep(0)
        task.cancel()
        answers = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert receiver.answer.result()
        await sending
        again = await cloud.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=10, AttributeNames=["ApproximateReceiveCount"])
        assert body(again) == ["precious"]
        assert again["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "1"

    asyncio.run(main())


def test_the_message_of_one_that_went_goes_to_the_next_in_line(cloud):
    """Cancelled while the transaction that serves it runs."""
    url = cloud.queue()

    async def main():
        first, second = await standing_in_line(cloud, url, 2)
        held, entered = threading.Event(), threading.Event()

        def hold(_):
            entered.set()
            assert held.wait(10)

        holding = asyncio.create_task(cloud.store.write(hold))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        sending = asyncio.create_task(cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody="one"))
        await asyncio.sleep(0)
        [desk] = cloud.queues._polling._desks.values()
        desk.look()  # the desk's transaction queues up behind the sender's
        await asyncio.sleep(0.01)
        first.cancel()
        held.set()
        await asyncio.gather(holding, sending)
        assert body(await asyncio.wait_for(second, 10)) == ["one"]
        assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError

    asyncio.run(main())
    assert cloud.counts(url) == (0, 0, 1)


def test_what_was_taken_back_keeps_its_history(cloud):
    url = cloud.queue(VisibilityTimeout="0")
    cloud.send(url, "a")
    cloud.clock.advance(seconds=1)
    old = cloud.receive(url)[0]["ReceiptHandle"]
    cloud.clock.advance(seconds=1)

    async def main():
        from openrek.localaws.sqs import mailbox
        from openrek.localaws.sqs.mailbox import Wanted
        from openrek.localaws.sqs.queues import by_id

        [received], _ = await cloud.store.write(lambda tx: mailbox.receive(tx, by_id(tx, 1), [Wanted(1, 30)]))
        await cloud.store.write(lambda tx: mailbox.release(tx, received))

    asyncio.run(main())
    cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=old, VisibilityTimeout=0)
    [message] = cloud.receive(url, AttributeNames=["All"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    assert message["Attributes"]["ApproximateFirstReceiveTimestamp"] == "1700000001000"


@pytest.mark.parametrize("clock", [SystemClock()], ids=["real clock"])
def test_a_waiting_receiver_gets_what_becomes_visible(cloud):
    """Delays and timeouts end while somebody waits: nobody polls, the desk sleeps until then."""
    url = cloud.queue(VisibilityTimeout="1")

    async def receive():
        return body(await asyncio.wait_for(cloud.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20), 15))

    async def main():
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody="delayed", DelaySeconds=1)
        assert await waiting == ["delayed"]
        assert await receive() == ["delayed"]  # its visibility timeout has ended

    asyncio.run(main())


def test_a_waiting_receiver_gets_what_another_gives_back(cloud):
    url = cloud.queue()
    cloud.send(url, "a")
    handle = cloud.receive(url)[0]["ReceiptHandle"]

    async def main():
        [task] = await standing_in_line(cloud, url, 1)
        await cloud.call("sqs", "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        return body(await asyncio.wait_for(task, 10))

    assert asyncio.run(main()) == ["a"]


def test_a_receiver_that_waits_for_dead_letters_gets_them(cloud):
    dead = cloud.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": cloud.arn(dead), "maxReceiveCount": 1})
    url = cloud.queue(RedrivePolicy=policy, VisibilityTimeout="0")
    cloud.send(url, "a")
    cloud.receive(url)

    async def main():
        [task] = await standing_in_line(cloud, dead, 1)
        assert await cloud.call("sqs", "ReceiveMessage", QueueUrl=url) == {}
        return body(await asyncio.wait_for(task, 10))

    assert asyncio.run(main()) == ["a"]


def test_messages_that_are_not_hidden_serve_everyone_in_line(cloud):
    url = cloud.queue()

    async def main():
        tasks = await standing_in_line(cloud, url, 3, VisibilityTimeout=0)
        await cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody="a")
        return [body(answer) for answer in await asyncio.wait_for(asyncio.gather(*tasks), 10)]

    assert asyncio.run(main()) == [["a"]] * 3


def test_who_waits_at_a_queue_that_is_deleted_hears_of_it(cloud):
    url = cloud.queue()

    async def main():
        tasks = await standing_in_line(cloud, url, 2)
        await cloud.call("sqs", "DeleteQueue", QueueUrl=url)
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    for answer in asyncio.run(main()):
        assert isinstance(answer, ServiceError)
        assert answer.code == "QueueDoesNotExist"


def test_who_waits_hears_of_a_disk_that_fails(cloud, monkeypatch):
    from openrek.localaws.sqs import mailbox

    url = cloud.queue()

    def fails(tx, queue, wanted):
        raise OSError("disk")

    async def main():
        tasks = await standing_in_line(cloud, url, 2)
        monkeypatch.setattr(mailbox, "receive", fails)
        await cloud.call("sqs", "SendMessage", QueueUrl=url, MessageBody="kept")
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert [str(answer) for answer in answers] == ["disk", "disk"]
        monkeypatch.undo()
        return body(await cloud.call("sqs", "ReceiveMessage", QueueUrl=url))

    assert asyncio.run(main()) == ["kept"]


def test_a_publication_from_another_thread_wakes_who_waits(cloud):
    url, topic = cloud.queue(), cloud.topic()
    cloud.subscribe(topic, url, RawMessageDelivery="true")

    async def main():
        [task] = await standing_in_line(cloud, url, 1)
        await asyncio.to_thread(cloud.topics.publish, topic, "from the relay")
        return body(await asyncio.wait_for(task, 10))

    assert asyncio.run(main()) == ["from the relay"]


def test_a_server_that_stops_sends_everyone_away(cloud):
    url = cloud.queue()

    async def main():
        tasks = await standing_in_line(cloud, url, 3)
        cloud.queues.dismiss()
        assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == [{}] * 3

    asyncio.run(main())


def test_receivers_of_different_queues_do_not_wait_for_each_other(cloud):
    url, other = cloud.queue(), cloud.queue("other")

    async def main():
        [task] = await standing_in_line(cloud, url, 1)
        await cloud.call("sqs", "SendMessage", QueueUrl=other, MessageBody="a")
        assert body(await cloud.call("sqs", "ReceiveMessage", QueueUrl=other, WaitTimeSeconds=20)) == ["a"]
        assert not task.done()
        cloud.queues.dismiss()
        await task

    asyncio.run(main())
