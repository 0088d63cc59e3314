"""Messages are posted to HTTP endpoints, tried again, and given up: the moving part of `posts`."""

from __future__ import annotations

import asyncio
import logging

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from openrek.localaws.pump import Pump
from openrek.localaws.sns import posts
from openrek.localaws.sns.posts import Post
from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs.content import Content
from openrek.localaws.sqs.queues import by_arn
from openrek.localaws.store import Store, Transaction

log = logging.getLogger(__name__)

AT_ONCE = 8
_TIMEOUT = urllib3.Timeout(connect=5.0, read=15.0)
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
        self._pool = urllib3.PoolManager(maxsize=AT_ONCE, timeout=_TIMEOUT, retries=False)
        self._pump = Pump(
            store, posts.WORK, due=posts.due, next_due=posts.next_due, handle=self._handle, free=lambda running: AT_ONCE - running
        )

    async def run(self) -> None:
        """Post until this task is cancelled."""
        try:
            await self._pump.run()
        finally:
            self._pool.clear()

    async def _handle(self, post: Post) -> None:
        failure, final = await asyncio.to_thread(self._post, post)
        if failure is None:
            await self._store.write(lambda tx: posts.done(tx, post))
        elif final or not await self._store.write(lambda tx: posts.again(tx, post)):
            await self._store.write(lambda tx: _give_up(tx, post, failure))

    def _post(self, post: Post) -> tuple[str | None, bool]:
        """Post once. What went wrong, and whether it will go wrong again."""
        url = parse_url(post.endpoint)
        headers = {"User-Agent": _AGENT, **post.headers}
        if url.auth:
            headers |= urllib3.make_headers(basic_auth=url.auth)
        try:
            address = url._replace(auth=None).url
            response = self._pool.request("POST", address, body=post.body.encode(), headers=headers, redirect=False, preload_content=False)
        except HTTPError as error:
            return f"{type(error).__name__}: {error}", False
        status = response.status
        response.close()
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
        log.warning("a message of %s did not reach %s: %s", post.topic_arn, parse_url(post.endpoint)._replace(auth=None).url, failure)
