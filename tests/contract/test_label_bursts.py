"""Many Starts at the same moment, over real HTTP, on both databases."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from local_application import SCOPE, LocalApplication
from running_gateway import running

from openrek.db import Database


@pytest.fixture
def application(application_on_each: LocalApplication) -> LocalApplication:
    return application_on_each


def burst(port: int, requests: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Send all requests at once, each on a connection of its own; what was answered."""
    together = threading.Barrier(len(requests))
    headers = {"Authorization": SCOPE.format("us-east-1"), "X-Amz-Target": "RekognitionService.StartLabelDetection"}

    def send(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        together.wait()
        connection.request("POST", "/", json.dumps(request), headers | {"Content-Type": "application/x-amz-json-1.1"})
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, body

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(send, requests))


def test_32_equal_starts_are_one_job(application: LocalApplication) -> None:
    request = {"Video": application.put(), "ClientRequestToken": "token", "MinConfidence": 50}
    with running(application.application.gateway) as port:
        answers = burst(port, [request] * 32)
    assert {status for status, _ in answers} == {200}
    assert len({body["JobId"] for _, body in answers}) == 1
    assert len(application.claim_all()) == 1


def test_32_starts_with_one_token_and_two_requests(application: LocalApplication) -> None:
    request = {"Video": application.put(), "ClientRequestToken": "token"}
    with running(application.application.gateway) as port:
        answers = burst(port, [request | {"JobTag": f"tag-{number % 2}"} for number in range(32)])
    started = {body["JobId"] for status, body in answers if status == 200}
    refusals = {(status, body["__type"]) for status, body in answers if status != 200}
    assert (len(started), refusals) == (1, {(400, "IdempotentParameterMismatchException")})
    [claim] = application.claim_all()
    assert {claim.job.id} == started
    assert sum(status == 200 for status, _ in answers) == 16


def test_40_distinct_starts_keep_to_the_limit(application: LocalApplication) -> None:
    requests = [{"Video": application.put(), "ClientRequestToken": f"token-{number}"} for number in range(40)]
    with running(application.application.gateway) as port:
        answers = burst(port, requests)
        again = burst(port, requests)
    outcomes = Counter(body.get("__type", "started") for _, body in answers)
    assert outcomes == {"started": 20, "LimitExceededException": 20}
    message = "20 open Jobs for User arn:aws:iam::000000000000:root Maximum limit: 20"
    assert {body["Message"] for _, body in answers if "__type" in body} == {message}
    assert [body.get("JobId") for _, body in again] == [body.get("JobId") for _, body in answers]
    assert len(application.claim_all()) == 20


@pytest.mark.parametrize("jobs_database", ["postgresql"], indirect=True)
def test_two_servers_on_one_database(open_application: Any, jobs_database: Database) -> None:
    servers = [open_application(jobs_database) for _ in range(2)]
    videos = [server.put() for server in servers]
    request = {"Video": videos[0], "ClientRequestToken": "token"}
    with running(servers[0].application.gateway) as one, running(servers[1].application.gateway) as two, ThreadPoolExecutor(2) as threads:
        equal = [answer for answers in threads.map(lambda port: burst(port, [request] * 16), (one, two)) for answer in answers]
        distinct = [
            answer
            for answers in threads.map(lambda port: burst(port, [{"Video": request["Video"]}] * 20), (one, two))
            for answer in answers
        ]
    assert len({body["JobId"] for _, body in equal}) == 1
    assert Counter(body.get("__type", "started") for _, body in distinct) == {"started": 19, "LimitExceededException": 21}
