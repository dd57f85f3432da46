"""HTTP that is broken on the wire: the server answers or closes, and lives on."""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.client import Api, patient
from tests.conftest import Instance


@pytest.fixture(autouse=True)
def alive(journal: Instance) -> Iterator[None]:
    """After each test: the same process, and a write that commits."""
    pid = httpx.get(journal.url + "/health").json()["pid"]
    yield
    assert httpx.get(journal.url + "/health").json()["pid"] == pid
    assert httpx.get(journal.url + "/ready").status_code == 200


def spoken(api: Api, *pieces: bytes, pause_s: float = 0.0, wait_s: float = 60.0) -> bytes:
    """What the server says to these bytes until it closes, or has answered."""
    host, port = api.root.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait_s) as connection:
        said = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            connection.settimeout(wait_s)
            while chunk := connection.recv(65536):
                said += chunk
                if b"\r\n\r\n" in said:
                    connection.settimeout(0.3)
        except TimeoutError:
            assert said, "neither an answer nor a close"
        except (ConnectionResetError, BrokenPipeError):
            pass
        return said


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /fhir/metadata HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /fhir/metadata HTTP/1.1\r\nHost: a b\r\n\r\n", b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://other/fhir/metadata HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 2_000_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
        b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n{}",
        b"GET /health HTTP/1.1\nHost: x\n\n", b"GET /health HTTP/1.1\r\nHost: x\r\n A: folded\r\n\r\n",
    ],
    ids=lambda value: repr(value[:60]),
)  # fmt: skip
def test_broken_http_is_refused_or_answered(api: Api, bytes_: bytes) -> None:
    """Would break: a port scanner, or a bad proxy, could stop the journal."""
    said = spoken(api, bytes_)
    assert not said or (said.startswith(b"HTTP/1.") and b" 500 " not in said.split(b"\r\n")[0]), said[:300]


def test_a_client_that_leaves_in_the_middle_of_its_body_has_done_nothing(api: Api, tag: str) -> None:
    """Would break: half a transaction, or a request that hangs on for ever."""
    body = b'{"resourceType":"Patient","identifier":[{"system":"http://example.org/test","value":"%s"}]}' % tag.encode()
    head = (
        f"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: {api.headers['Authorization']}\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body) + 10}\r\n\r\n"
    ).encode()
    host, port = api.root.removeprefix("http://").split(":")
    for part in (body, body + b" " * 9, body[:20], b""):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head + part)
    time.sleep(0.5)
    assert api.ids(f"/Patient?identifier={tag}") == []


def test_slow_clients_do_not_keep_others_waiting(api: Api, tag: str) -> None:
    """Would break: a few clients that send a byte a second could hold every connection."""
    host, port = api.root.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        for number, one in enumerate(slow):
            one.sendall(
                b"GET /fhir/Pat"
                if number % 2
                else b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
            )
        api.make(patient(tag))
        ended, _, _ = select.select(slow, [], [], 0)
        assert not ended, "it was answered when the slow ones had ended"
    finally:
        for one in slow:
            one.close()


def test_half_a_head_is_closed_in_time(api: Api) -> None:
    """Would break: a client that never ends its headers would hold a connection for ever."""
    spoken(api, b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\n", wait_s=60)


def test_random_bytes(api: Api) -> None:
    """Would break: anything that the cases above did not think of."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    good = (
        b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
        + b'{"resourceType":"Patient"}\n'
    )
    for _ in range(150):
        changed = bytearray(good)
        for _ in range(chance.choice((1, 3, 10))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        host, port = api.root.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(bytes(changed))
            connection.shutdown(socket.SHUT_WR)
            said = b""
            try:
                while chunk := connection.recv(65536):
                    said += chunk
            except ConnectionResetError:
                pass
            except TimeoutError:
                pytest.fail(f"hangs on {bytes(changed)!r} (seed {seed})")
        assert b" 500 " not in said.split(b"\r\n")[0], (seed, bytes(changed), said[:300])
