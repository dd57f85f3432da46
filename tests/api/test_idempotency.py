"""Idempotency-Key: a request that is sent again is done once, and answered alike."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.client import SYSTEM, Api, ask, fresh, outcome, patient, post, put

PATCH = {"Content-Type": "application/json-patch+json"}


def send(api: Api, how: str, tag: str, active: bool, key: str) -> httpx.Response:
    """A write of each kind, which would make a new version each time that it is carried out."""
    headers = {"Idempotency-Key": key}
    match how:
        case "create":
            return api.post("/Patient", json=patient(tag, active=active), headers=headers)
        case "conditional create":
            return api.post(
                "/Patient",
                json=patient(tag, active=active),
                headers=headers | {"If-None-Exist": f"identifier={SYSTEM}|{tag}"},
            )
        case "update":
            return api.put(f"/Patient/{tag}", json=patient(tag, id=tag, active=active), headers=headers)
        case "conditional update":
            return api.put(f"/Patient?identifier={tag}", json=patient(tag, active=active), headers=headers)
        case "patch":
            body = b'[{"op":"add","path":"/active","value":true}]' if active else b"[]"
            return api.patch(f"/Patient/{tag}", content=body, headers=headers | PATCH)
        case "delete":
            return api.delete(f"/Patient/{tag}" if active else f"/Patient/{tag}x", headers=headers)
        case _:
            entries = [post(patient(tag, active=active)), put(patient(tag, id=tag)), ask("DELETE", f"Patient/{tag}-d")]
            return api.transact(*entries, type_=how, Idempotency_Key=key)


KINDS = ["create", "conditional create", "update", "conditional update", "patch", "delete", "transaction", "batch"]


@pytest.mark.parametrize("how", KINDS)
def test_the_same_request_is_done_once(api: Api, tag: str, how: str) -> None:
    """Would break: a client that lost an answer and sends again must not write twice, and gets the answer that it lost."""
    if how in ("patch", "delete"):
        api.make(patient(tag, id=tag))
    key = fresh()
    first = send(api, how, tag, True, key)
    assert first.status_code in (200, 201, 204)
    if how in ("update", "patch"):
        api.make(patient(tag, id=tag, gender="other"))
    before = api.bundle("/Patient/_history?_count=1")
    second = send(api, how, tag, True, key)
    after = api.bundle("/Patient/_history?_count=1")
    assert (second.status_code, second.content) == (first.status_code, first.content)
    for name in ("etag", "location", "last-modified"):
        assert second.headers.get(name) == first.headers.get(name)
    assert before["entry"][0]["response"] == after["entry"][0]["response"]


@pytest.mark.parametrize("how", KINDS)
def test_another_request_under_the_same_key_is_refused(api: Api, tag: str, how: str) -> None:
    """Would break: a key that is used twice by mistake must not give the answer of another request, nor be carried out."""
    if how in ("patch", "delete"):
        api.make(patient(tag, id=tag))
    key = fresh()
    assert send(api, how, tag, True, key).status_code in (200, 201, 204)
    newest = api.bundle("/Patient/_history?_count=1")["entry"][0]["response"]
    outcome(send(api, how, tag, False, key), 422)
    assert api.bundle("/Patient/_history?_count=1")["entry"][0]["response"] == newest


def test_the_key_belongs_to_who_sent_it(api: Api, tag: str, client: Callable[..., Api]) -> None:
    """Would break: another program's key must not give away what was written under it."""
    key = fresh()
    first = send(api, "create", tag, True, key)
    other = send(client("others"), "create", tag, True, key)
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


def test_a_request_that_failed_can_be_sent_again(api: Api, tag: str) -> None:
    """Would break: a failure must not be remembered as the result, since nothing was done."""
    key = fresh()
    headers = {"Idempotency-Key": key, "If-Match": 'W/"1"'}
    body = patient(tag, id=tag)
    outcome(api.put(f"/Patient/{tag}", json=body, headers=headers), 412)
    api.make(body)
    assert api.put(f"/Patient/{tag}", json=body, headers=headers).status_code == 200


def test_the_same_request_at_once_is_done_once(api: Api, tag: str) -> None:
    """Would break: two workers that carry out one request at the same moment."""
    key = fresh()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: send(api, "create", tag, True, key), range(12)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len(api.ids(f"/Patient?identifier={tag}")) == 1
    assert send(api, "create", tag, True, key).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
def test_a_malformed_key_is_refused(api: Api, tag: str, key: str) -> None:
    """Would break: a key that cannot be kept must not be passed over in silence."""
    outcome(send(api, "create", tag, True, key), 400)
