"""Who calls, and how: tokens and their scopes, malformed HTTP, clients that are slow, silent or gone."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from tests.client import Api, outcome, patient

from vaka import config

JSON = {"Content-Type": "application/fhir+json"}


# Tokens ----------------------------------------------------------------------------------------------------------


def test_everything_but_metadata_and_health_needs_a_token(api: Api, client: Callable[..., Api]) -> None:
    """Would break: the record is closed to who has no valid token, and says nothing of why."""
    made = api.make({"resourceType": "Patient"})
    good = api.headers["authorization"].split()[1]
    head, body, signature = good.split(".")
    wrong = ["", "Bearer", "Bearer x", f"Basic {good}", f"Bearer {good}x", f"Bearer {head}.{body}.", f"Bearer {head}.{body}.{signature[::-1]}", f"Bearer {head}.{body[::-1]}.{signature}", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer " + "x" * 20_000, f"Bearer {good} {good}"]  # fmt: skip
    for value in wrong:
        for method, address in (
            ("GET", f"/Patient/{made['id']}"),
            ("GET", "/Patient"),
            ("POST", "/Patient"),
            ("POST", ""),
            ("GET", "/_history"),
            ("GET", "/nowhere"),
        ):
            answer = httpx.request(method, api.root + "/fhir" + address, headers={"Authorization": value})
            assert answer.status_code in (401, 431), (value[:40], address)
            if answer.status_code == 401:
                assert outcome(answer, 401)[0]["code"] == "login"
                assert answer.headers["www-authenticate"].startswith("Bearer")
    for name in ("access_token", "token", "authorization"):
        assert httpx.get(f"{api.root}/fhir/Patient/{made['id']}?{name}={good}").status_code == 400
    assert httpx.get(api.root + "/feed").status_code == 401
    outcome(client("old", days=-1).get(f"/Patient/{made['id']}"), 401)
    for open_ in ("/health", "/ready", "/fhir/metadata"):
        assert httpx.get(api.root + open_).status_code == 200


def test_a_token_opens_what_its_scope_says(api: Api, tag: str, client: Callable[..., Api]) -> None:
    """Would break: a token for the feed alone must neither read nor write the record, nor one without scope anything."""
    made = api.make(patient(tag))
    for narrow in (client("feed-only", frozenset({"feed"})), client("nothing", frozenset())):
        address = f"/Patient/{made['id']}"
        patch = narrow.patch(address, content=b"[]", headers={"Content-Type": "application/json-patch+json"})
        for answer in (
            narrow.get(address), narrow.get("/Patient"), narrow.get("/_history"), narrow.get(address + "/_history/1"), narrow.get(address + "/$everything"),
            narrow.post("/Patient", json=patient(tag)), narrow.put(address, json=patient(tag, id=made["id"])), patch, narrow.delete(address),
            narrow.put("/Patient?identifier=x", json=patient(tag)), narrow.transact({"resource": patient(tag), "request": {"method": "POST", "url": "Patient"}}),
        ):  # fmt: skip
            outcome(answer, 403)
        batch = narrow.transact(
            {"resource": patient(tag), "request": {"method": "POST", "url": "Patient"}}, type_="batch"
        )
        assert batch.status_code == 403 or batch.json()["entry"][0]["response"]["status"].startswith("403")
    assert api.ids(f"/Patient?identifier={tag}") == [made["id"]]
    assert client("nothing", frozenset()).get(api.root + "/feed").status_code == 403
    assert client("no-feed", frozenset({"system/*.*"})).get(api.root + "/feed").status_code == 403


# Connections -----------------------------------------------------------------------------------------------------


def connect(api: Api) -> socket.socket:
    address = urlsplit(api.root)
    assert address.hostname
    assert address.port
    return socket.create_connection((address.hostname, address.port), timeout=90)


def head(api: Api, length: int | str, *more: str) -> bytes:
    lines = [
        "POST /fhir/Patient HTTP/1.1",
        "Host: localhost",
        f"Authorization: {api.headers['authorization']}",
        f"Content-Length: {length}",
        *more,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes or falls silent."""
    told = b""
    try:
        while piece := connection.recv(65_536):
            told += piece
            if b"\r\n\r\n" in told and b"Connection: close" not in told:
                break
    except OSError:
        pass
    return told


def test_malformed_http(api: Api) -> None:
    """Would break: what is no HTTP must not disturb those who speak it."""
    for sent in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\n\r\n",
        head(api, -1),
        head(api, "x"),
        head(api, "99999999999999999999999"),
        b"G" * 100_000,
        head(api, 0, "X: " + "y" * 2_000_000),
    ):
        with connect(api) as connection:
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                continue
            told = answer_of(connection)
            assert not told or told.split()[1][:1] == b"4", (sent[:60], told[:100])
    with connect(api) as connection:
        connection.sendall(head(api, 2, "Host: elsewhere") + b"{}")
        assert answer_of(connection).split()[1][:1] == b"4"
    assert api.get("/Patient?_count=1").status_code == 200


def test_a_body_that_breaks_off_writes_nothing(api: Api, tag: str) -> None:
    """Would break: half a body that happens to be whole JSON must not be taken for the whole."""
    body = json.dumps(patient(tag)).encode()
    for more in (1, 1_000_000):
        with connect(api) as connection:
            connection.sendall(head(api, len(body) + more) + body)
            connection.shutdown(socket.SHUT_WR)
            answer_of(connection)
    with connect(api) as connection:
        half = body[:-1]
        chunk = b"%x\r\n%s\r\n" % (len(half), half)
        connection.sendall(head(api, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + chunk)
        connection.shutdown(socket.SHUT_WR)
        answer_of(connection)
    assert api.ids(f"/Patient?identifier={tag}") == []


def test_a_chunked_body(api: Api, tag: str) -> None:
    """Would break: a body without declared length is taken, up to the limit."""
    body = json.dumps(patient(tag)).encode()
    assert api.post("/Patient", content=iter([body[:7], body[7:]]), headers=JSON).status_code == 201
    over = (b" " * 1024 * 1024 for _ in range(config.BODY_MAX_BYTES // (1024 * 1024) + 1))
    try:
        outcome(api.post("/Patient", content=over, headers=JSON), 413)
    except httpx.TransportError:
        pass  # refused while it was still being sent
    assert len(api.ids(f"/Patient?identifier={tag}")) == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("asked", ["GET /fhir/metadata", "GET /fhir/Patient", "PUT /fhir/nonsense/1", "POST /health"])
def test_an_answer_waits_for_a_body_that_nobody_reads(api: Api, asked: str, chunked: bool) -> None:
    """Would break: who sends a body where none is wanted gets a reset connection, and never the answer."""
    told = head(api, 3).replace(b"POST /fhir/Patient", asked.encode())
    body = b'"x"'
    if chunked:
        told, body = told.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked"), b'3\r\n"x"\r\n0\r\n\r\n'
    with connect(api) as connection:
        connection.sendall(told)
        time.sleep(0.5)
        connection.sendall(body)
        assert answer_of(connection).startswith(b"HTTP/1.1 ")
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in answer_of(connection)


def test_a_body_that_nobody_reads_and_that_never_comes(api: Api) -> None:
    """Would break: who announces a body and sends none is never answered."""
    with connect(api) as connection:
        connection.sendall(head(api, 3).replace(b"POST /fhir/Patient", b"GET /fhir/metadata"))
        assert answer_of(connection).startswith(b"HTTP/1.1 200")


def test_slow_and_silent_clients_do_not_hold_others(api: Api) -> None:
    """Would break: many connections that send slowly, or nothing; others are served meanwhile, and the slow ones end."""

    def slow(kind: int) -> bytes:
        with connect(api) as connection:
            try:
                if kind == 0:  # nothing at all
                    pass
                elif kind == 1:  # half a head
                    connection.sendall(head(api, 10)[:40])
                elif kind == 2:  # no body
                    connection.sendall(head(api, 10))
                else:  # a byte now and then, for a while
                    connection.sendall(head(api, 10_000))
                    for _ in range(4):
                        time.sleep(0.5)
                        connection.sendall(b" ")
                return answer_of(connection)
            except OSError:
                return b""

    with ThreadPoolExecutor(200) as pool:
        waiting = [pool.submit(slow, n % 4) for n in range(200)]
        time.sleep(0.5)
        assert api.get("/Patient?_count=1").status_code == 200
        assert not any(future.done() for future in waiting), "it was answered when the slow ones had ended"
        for _ in range(50):
            assert api.get("/Patient?_count=1").status_code == 200
        for n, future in enumerate(waiting):
            told = future.result(timeout=60)
            if n % 4 >= 2:
                assert told.split()[1] in (b"408", b"400"), told[:100]


def test_a_client_gone_in_the_middle_of_a_transaction(api: Api, tag: str) -> None:
    """Would break: who leaves before the answer leaves all or nothing behind, and no connection of the pool."""
    entries = [{"resource": patient(tag), "request": {"method": "POST", "url": "Patient"}} for _ in range(300)]
    body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
    for wait_s in (0.0, 0.02, 0.05, 0.1, 0.2) * 4:
        with connect(api) as connection:
            connection.sendall(head(api, len(body)).replace(b"/fhir/Patient", b"/fhir") + body)
            time.sleep(wait_s)
    time.sleep(1.0)
    assert api.bundle(f"/Patient?identifier={tag}&_summary=count")["total"] % 300 == 0
    assert httpx.get(api.root + "/ready").status_code == 200
