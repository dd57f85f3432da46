"""Nothing that comes in over HTTP gets a 500, a hang, or an error that is no OperationOutcome."""

from __future__ import annotations

import random
import time
from collections import Counter

import httpx
import pytest
from tests.client import Api, patient
from tests.conftest import Instance
from tests.fuzz.mutate import Asked, request

ANSWER_MAX_S = 30.0


@pytest.mark.parametrize("seconds", [30, pytest.param(600, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_mutated_requests_get_honest_answers(api: Api, journal: Instance, seconds: int) -> None:
    """Would break: input that nobody thought of would bring a request, or the server, down."""
    seed = random.randrange(2**32)
    pid = httpx.get(journal.url + "/health").json()["pid"]
    for id_ in ("fuzz-1", "fuzz-2", "fuzz-3"):
        api.make(patient(id_, id=id_))
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    until = time.monotonic() + seconds
    number = 0
    with httpx.Client(timeout=ANSWER_MAX_S) as client:
        while time.monotonic() < until and len(wrong) < 10:
            number += 1
            asked = request(random.Random(f"{seed}.{number}"))
            status, fault = judged(client, api, asked)
            statuses[status] += 1
            if fault:
                wrong.append(f"{fault}: {asked}")
    print(f"seed {seed}: {number} requests, {dict(statuses)}")
    assert not wrong, f"seed {seed}:\n" + "\n".join(wrong)
    assert httpx.get(journal.url + "/health").json()["pid"] == pid, "the server was started again"
    assert httpx.get(journal.url + "/ready").status_code == 200
    assert statuses[200] and statuses[201] and statuses[400], "too little was tried"


def judged(client: httpx.Client, api: Api, asked: Asked) -> tuple[int, str | None]:
    """(status, what is wrong with the answer)."""
    headers = {"Authorization": api.headers["Authorization"], **asked.headers}
    try:
        try:
            answer = client.request(asked.method, api.root + asked.path, content=asked.body, headers=headers)
        except (
            httpx.ReadError,
            httpx.RemoteProtocolError,
        ):  # a kept connection may be closed under us: once, on another
            answer = client.request(asked.method, api.root + asked.path, content=asked.body, headers=headers)
    except httpx.InvalidURL:
        return 0, None
    except httpx.ReadTimeout:
        return 0, f"no answer within {ANSWER_MAX_S:g} s"
    except httpx.TransportError as error:
        return 0, f"no answer: {error!r}"
    return answer.status_code, fault_of(answer)


def fault_of(answer: httpx.Response) -> str | None:
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        if answer.headers.get("content-type", "").startswith(
            "text/html"
        ):  # the address of a page, which tells it as a page
            return None if "</h1>" in answer.text else f"{answer.status_code} with an empty page"
        try:
            told = answer.json()
        except ValueError:
            return f"{answer.status_code} without JSON: {answer.text[:300]!r}"
        if told.get("resourceType") != "OperationOutcome" or not told.get("issue"):
            return f"{answer.status_code} without OperationOutcome: {answer.text[:300]!r}"
        if not all(issue.get("code") and issue.get("details", {}).get("text") for issue in told["issue"]):
            return f"{answer.status_code} with an issue that says nothing: {answer.text[:300]!r}"
    return None
