"""The server as a whole: what keeps two of them apart, what it loads, what goes on beside requests."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from sqlalchemy.exc import DatabaseError

from openrek.clock import ManualClock
from openrek.errors import SettingsError
from openrek.jobs.outbox import Publication
from openrek.server import app, publishing
from openrek.server.app import Application
from openrek.server.clients import client
from openrek.server.publishing import RelayLoop
from openrek.settings import ServiceSettings, Settings


def settings(folder: Path, **others: object) -> Settings:
    return Settings(data=folder / "data", database=f"sqlite:///{folder / 'data' / 'openrek.db'}", **others)


def test_one_server_a_folder(tmp_path: Path) -> None:
    message = r"Another openrek serves from .*data\. Stop it, or name another folder: --data DIR\."
    with Application(settings(tmp_path), "http://localhost:1", ManualClock()), pytest.raises(SettingsError, match=message):
        Application(settings(tmp_path), "http://localhost:1", ManualClock())
    Application(settings(tmp_path), "http://localhost:1", ManualClock()).close()


def test_one_that_cannot_be_opened_leaves_the_folder_to_the_next(tmp_path: Path) -> None:
    broken = tmp_path / "data" / "localaws.db"
    broken.parent.mkdir()
    broken.write_text("no database, and long enough to be looked at" * 10)
    with pytest.raises(DatabaseError, match="file is not a database"):
        Application(settings(tmp_path), "http://localhost:1", ManualClock())
    broken.unlink()
    Application(settings(tmp_path), "http://localhost:1", ManualClock()).close()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"Cannot listen on 127.0.0.1:{port}: .*. Choose another port: --port N."):
            app.run(settings(tmp_path, port=port), lambda url: None)
    assert not (tmp_path / "data").exists()


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Cannot listen on 192\.0\.2\.1:0: [^(]*\. Name an address of this machine: --host ADDRESS\."):
        app.run(settings(tmp_path, host="192.0.2.1", port=0), lambda url: None)
    with pytest.raises(SettingsError, match=r"Cannot listen on no-such-host\.invalid:0: .* --host ADDRESS\."):
        app.run(settings(tmp_path, host="no-such-host.invalid", port=0), lambda url: None)


def test_answers_are_not_held_back(tmp_path: Path) -> None:
    with (
        app._listener(Settings(data=tmp_path, port=0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_server_loads_neither_networks_nor_decoders(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from openrek.cli.app import app
from openrek.clock import SystemClock
from openrek.server.app import Application
from openrek.settings import Settings
import openrek.cli.serve, uvicorn
with Application(Settings(data=Path({str(tmp_path)!r}), database=None), "http://localhost:1", SystemClock()):
    print(sorted({{"av", "cv2", "openvino", "onnxruntime", "boto3", "skimage"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "[]\n"


def test_links_lead_to_where_a_client_finds_the_server() -> None:
    assert [app._reachable(host) for host in ("0.0.0.0", "127.0.0.1", "::", "::1", "example.test")] == [
        "127.0.0.1",
        "127.0.0.1",
        "[::1]",
        "[::1]",
        "example.test",
    ]


class Relay:
    """Counts its runs; the first one breaks."""

    def __init__(self, breaks: bool) -> None:
        self.runs = 0
        self.breaks = breaks

    def run_once(self) -> int:
        self.runs += 1
        if self.breaks and self.runs == 1:
            raise ConnectionError("the database is gone")
        return 0


def relayed(relay: Relay, meanwhile: Callable[[RelayLoop], None], runs: int) -> None:
    async def run() -> None:
        loop = RelayLoop(relay)
        running = asyncio.create_task(loop.run())
        while relay.runs < runs:
            meanwhile(loop)
            await asyncio.sleep(0.005)
            assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_the_relay_runs_when_a_job_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "IDLE", 3600)
    relayed(Relay(breaks=False), RelayLoop.wake, 4)


@pytest.mark.allows_errors
def test_the_relay_runs_now_and_then_whatever_happened_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "IDLE", 0.01)
    relayed(Relay(breaks=True), lambda loop: None, 4)


def test_a_topic_elsewhere_is_told_in_its_own_region(tmp_path: Path) -> None:
    chosen = settings(tmp_path, sns=ServiceSettings(endpoint="aws", region="us-east-1", access_key_id="AKID", secret_access_key="secret"))
    with mock_aws():
        told = publishing.publisher(chosen, None)  # type: ignore[arg-type]
        for region in ("eu-west-1", "us-east-1", "eu-west-1"):
            sns, sqs = (boto3.client(name, region, aws_access_key_id="AKID", aws_secret_access_key="secret") for name in ("sns", "sqs"))
            topic, queue = sns.create_topic(Name="topic")["TopicArn"], sqs.create_queue(QueueName="queue")["QueueUrl"]
            arn = f"arn:aws:sqs:{region}:123456789012:queue"
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
            told.publish(Publication("id", "123456789012", region, topic, "arn:aws:iam::123456789012:role/role", '{"JobId":"ab"}'))
            [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
            assert message["Body"] == '{"JobId":"ab"}'


@pytest.mark.parametrize(
    ("endpoint", "url"), [("aws", "https://sns.eu-west-1.amazonaws.com"), ("http://localhost:9", "http://localhost:9")]
)
def test_clients_of_services_elsewhere(endpoint: str, url: str, tmp_path: Path) -> None:
    chosen = ServiceSettings(endpoint=endpoint, region="eu-west-1", access_key_id="AKID", secret_access_key="secret")
    made = client("sns", chosen, settings(tmp_path))
    assert (made.meta.endpoint_url, made.meta.region_name) == (url, "eu-west-1")
