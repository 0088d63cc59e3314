"""Messages are posted to HTTP endpoints, tried again, and given up: the moving part of `posts`."""

from __future__ import annotations

import logging

from openrek.localaws.pump import Pump
from openrek.localaws.sns import http_client, posts
from openrek.localaws.sns.posts import Post
from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs.content import Content
from openrek.localaws.sqs.queues import by_arn
from openrek.localaws.store import Store, Transaction

log = logging.getLogger(__name__)

AT_ONCE = 32
_AGENT = "Amazon Simple Notification Service Agent"
_TOO_MANY = 429


class Poster:
    """Posts what waits.

    Parameters
    ----------
    store
        Where it waits.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pump = Pump(
            store, posts.WORK, due=posts.due, next_due=posts.next_due, handle=self._handle, free=lambda running: AT_ONCE - running
        )

    async def run(self) -> None:
        """Post until this task is cancelled."""
        await self._pump.run()

    async def _handle(self, post: Post) -> None:
        failure, final = await _try(post)
        if failure is None:
            await self._store.write(lambda tx: posts.done(tx, post))
        elif final or not await self._store.write(lambda tx: posts.again(tx, post)):
            await self._store.write(lambda tx: _give_up(tx, post, failure))


async def _try(post: Post) -> tuple[str | None, bool]:
    """Post once. What went wrong, and whether it will go wrong again."""
    try:
        status = await http_client.post(post.endpoint, {"User-Agent": _AGENT, **post.headers}, post.body.encode())
    except http_client.PostError as error:
        return str(error), False
    if 200 <= status < 300:
        return None, False
    return f"it answered {status}", status < 500 and status != _TOO_MANY


def _give_up(tx: Transaction, post: Post, failure: str) -> None:
    posts.done(tx, post)
    queue = by_arn(tx, post.dead_letters) if post.dead_letters else None
    content = Content(post.body, {}, {"SenderId": post.account})
    if queue is not None and content.size <= queue.number("MaximumMessageSize"):
        mailbox.send(tx, queue, content)
    else:
        log.warning("a message of %s did not reach %s: %s", post.topic_arn, http_client.without_password(post.endpoint), failure)
