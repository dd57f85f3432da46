"""Binary: content streamed in and out beside the record (https://hl7.org/fhir/R4/binary.html)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import time
import uuid
from collections.abc import Iterator

import httpx
import orjson
import psutil
import psycopg
import pytest
from tests import feeding
from tests.client import Api, outcome
from tests.conftest import Instance

from vaka.config import BINARY_CHUNK_BYTES, BINARY_MAX_BYTES, PACED_MAX

LARGE_MB = 100
PLAIN = {"Content-Type": "application/octet-stream"}
RESOURCE = {"Accept": "application/fhir+json"}


def sent(api: Api, content: bytes, **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = api.post("/Binary", content=content, headers={**PLAIN, **named})
    assert answer.status_code == 201, answer.text
    id_ = answer.json()["id"]
    assert isinstance(id_, str)
    return id_


def test_content_comes_back_as_it_went(api: Api) -> None:
    """Breaks if a piece is lost, doubled or cut at a boundary between pieces."""
    for size in (0, 1, BINARY_CHUNK_BYTES - 1, BINARY_CHUNK_BYTES, 2 * BINARY_CHUNK_BYTES + 17):
        content = os.urandom(size)
        id_ = sent(api, content)
        answer = api.get(f"/Binary/{id_}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert answer.content == content
        assert answer.headers["content-length"] == str(size)


def test_content_needs_its_length(api: Api) -> None:
    """Breaks if an upload is taken that could have broken off without anybody knowing."""

    def pieces() -> Iterator[bytes]:
        yield b"begun"

    assert api.post("/Binary", content=pieces(), headers=PLAIN).status_code == 411


def test_browsers_do_not_run_content(api: Api) -> None:
    """Breaks if an uploaded page could run as ours: it must be neither sniffed nor shown."""
    answer = api.post("/Binary", content=b"<script>alert(1)</script>", headers={"Content-Type": "text/html"})
    shown = api.get(f"/Binary/{answer.json()['id']}")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-disposition"] == 'attachment; filename="content"'
    assert "sandbox" in shown.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("media", "good"),
    [
        ("application/pdf", b"%PDF-1.7\n" + b"x" * 5_000), ("application/pdf", b"\n" * 900 + b"%PDF-1.4"),
        ("image/png", b"\x89PNG\r\n\x1a\n" + b"x" * 3_000_000), ("IMAGE/JPEG; q=1", b"\xff\xd8\xff\xe0short"),
        ("application/dicom", b"\0" * 128 + b"DICM" + b"x" * 100), ("image/webp", b"RIFF\0\0\0\0WEBPVP8 "), ("text/html", b"%PDF-"),
        ("image/png", b""),
    ],
)  # fmt: skip
def test_content_is_what_its_type_says(api: Api, media: str, good: bytes) -> None:
    """Breaks if a page or a program is kept as a picture, and a viewer opens it as what it is (ASVS 12.2.1); or good content is
    refused, or cut, because of how its first bytes came."""
    answer = api.post("/Binary", content=good, headers={"Content-Type": media})
    assert answer.status_code == 201, answer.text
    assert api.get(f"/Binary/{answer.json()['id']}", headers={"Accept": "*/*"}).content == good
    if media == "text/html" or not good:
        return
    for bad in (b"MZ\x90\0" + b"x" * 3_000, b"<script>", b"\0" + b"x" * 2_000_000):
        refused = api.post("/Binary", content=bad, headers={"Content-Type": media})
        assert "does not begin as one" in outcome(refused, 422)[0]["diagnostics"]
        data = base64.b64encode(bad).decode()
        resource = {"resourceType": "Binary", "contentType": media, "data": data}
        outcome(api.post("/Binary", json=resource), 422)
        outcome(api.post("/Binary", json={**resource, "data": " " + data[:8] + "\n" + data[8:]}), 422)
    spaced = base64.encodebytes(good[:1_500]).decode()
    assert api.make({"resourceType": "Binary", "contentType": media, "data": spaced})["data"] == spaced


def test_accept_chooses_between_content_and_resource(api: Api) -> None:
    """Breaks if a FHIR client gets bytes where it asked for a resource, or a resource without its data."""
    content = os.urandom(1_000)
    id_ = sent(api, content)
    resource = api.get(f"/Binary/{id_}", headers=RESOURCE).json()
    assert (resource["contentType"], base64.b64decode(resource["data"])) == ("application/octet-stream", content)
    assert api.get(f"/Binary/{id_}", headers={"Accept": "application/*"}).content == content
    assert api.get(f"/Binary/{id_}", headers={"Accept": "image/png"}).status_code == 406
    assert api.get(f"/Binary/{id_}/_history/1").content == content


def test_a_resource_with_data_stays_a_resource(api: Api) -> None:
    """Breaks if a Binary that was sent as JSON is answered otherwise than it came, or cannot be had as content."""
    made = api.make({"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(b"hej").decode()})
    assert api.get(f"/Binary/{made['id']}").json() == made
    assert api.get(f"/Binary/{made['id']}", headers={"Accept": "text/plain"}).content == b"hej"


def test_parts_of_content(api: Api) -> None:
    """Breaks if a range is off by one, or a reader cannot go on where a download broke."""
    content = os.urandom(2 * BINARY_CHUNK_BYTES + 5)
    id_ = sent(api, content)
    for asked, first, end in (
        ("bytes=0-0", 0, 1), (f"bytes={BINARY_CHUNK_BYTES - 1}-{BINARY_CHUNK_BYTES}", BINARY_CHUNK_BYTES - 1, BINARY_CHUNK_BYTES + 1),
        ("bytes=-7", len(content) - 7, len(content)), ("bytes=5-", 5, len(content)),
    ):  # fmt: skip
        answer = api.get(f"/Binary/{id_}", headers={"Range": asked})
        assert answer.status_code == 206
        assert answer.content == content[first:end]
        assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(content)}"
    assert api.get(f"/Binary/{id_}", headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    head = api.head(f"/Binary/{id_}")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")


def test_a_new_content_is_a_new_version(api: Api) -> None:
    """Breaks if an update loses the old version's content, or ignores If-Match."""
    id_ = f"b-{uuid.uuid4()}"
    assert api.put(f"/Binary/{id_}", content=b"one", headers=PLAIN).status_code == 201
    stale = api.put(f"/Binary/{id_}", content=b"no", headers={**PLAIN, "If-Match": 'W/"7"'})
    assert stale.status_code == 412
    second = api.put(f"/Binary/{id_}", content=b"two", headers={**PLAIN, "If-Match": 'W/"1"'})
    assert second.status_code == 200
    assert api.get(f"/Binary/{id_}").content == b"two"
    assert api.get(f"/Binary/{id_}/_history/1").content == b"one"


def test_security_context_is_kept(api: Api) -> None:
    """Breaks if access to content cannot follow the resource that it belongs to."""
    patient = api.make({"resourceType": "Patient"})["id"]
    id_ = sent(api, b"x", X_Security_Context=f"Patient/{patient}")
    resource = api.get(f"/Binary/{id_}", headers=RESOURCE).json()
    assert resource["securityContext"] == {"reference": f"Patient/{patient}"}


def test_anothers_content_cannot_be_named(api: Api) -> None:
    """Breaks if a body that names the content of another Binary gets that content."""
    secret = sent(api, b"secret of another")
    body = api.get(f"/Binary/{secret}", headers=RESOURCE).json()
    thief = {**body, "id": f"thief-{uuid.uuid4()}"}
    del thief["data"]
    assert api.put(f"/Binary/{thief['id']}", json=thief).status_code == 201
    answer = api.get(f"/Binary/{thief['id']}", headers={"Accept": "application/octet-stream"})
    assert b"secret" not in answer.content


def test_a_key_does_it_once(api: Api) -> None:
    """Breaks if an upload that is sent again because its answer was lost makes a second Binary."""
    key = {"Idempotency-Key": str(uuid.uuid4()), **PLAIN}
    first = api.post("/Binary", content=b"same", headers=key)
    again = api.post("/Binary", content=b"same", headers=key)
    other = api.post("/Binary", content=b"other", headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json()["id"] == again.json()["id"]


def test_the_feed_stays_small(api: Api) -> None:
    """Breaks if content passes the feed, or the feed cannot tell its hash and size."""
    content, cursor = os.urandom(300_000), feeding.end(api)
    id_ = sent(api, content)
    token = api.headers["authorization"]
    with api.stream("GET", f"{api.root}/feed?after={cursor}&wait=0", headers={"Authorization": token}) as feed:
        line = next(text for text in feed.iter_lines() if f'"id":"{id_}"' in text)
    assert len(line) < 2_000
    extension = orjson.loads(orjson.loads(line)["body"])["meta"]["extension"][0]["extension"]
    assert extension[1]["valueDecimal"] == len(content)
    assert base64.b64decode(extension[2]["valueBase64Binary"]) == hashlib.sha256(content).digest()


def test_what_is_refused(api: Api) -> None:
    """Breaks if a file over the limit is read before it is refused, or a bad media type gets into a header."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20) as raw:
        head = f"POST /fhir/Binary HTTP/1.1\r\nHost: localhost\r\nAuthorization: {api.headers['authorization']}\r\n"
        raw.sendall(f"{head}Content-Type: a/b\r\nContent-Length: {BINARY_MAX_BYTES + 1}\r\n\r\nx".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    for media in ("nonsense", "text/plain, text/html", 'a/b; x="\t"'):
        assert api.post("/Binary", content=b"x", headers={"Content-Type": media}).status_code == 415
    packed = api.post("/Binary", content=b"x", headers={**PLAIN, "Content-Encoding": "gzip"})
    assert packed.status_code == 415


def test_an_upload_that_ends_in_the_middle_leaves_nothing(api: Api, journal: Instance) -> None:
    """Breaks if half an upload becomes a Binary, or its pieces stay for ever."""
    if not (journal.data / "pg").exists():
        pytest.fail("this test looks into the server's own database")
    from vaka.journal import cluster

    with psycopg.connect(cluster.at(journal.data / "pg").dsn(), autocommit=True) as database:
        count = "SELECT count(*), (SELECT count(*) FROM binary_content) FROM binary_chunk"
        before = database.execute(count).fetchone()
        with socket.create_connection((api.base_url.host, api.base_url.port or 80)) as raw:
            head = f"POST /fhir/Binary HTTP/1.1\r\nHost: localhost\r\nAuthorization: {api.headers['authorization']}\r\n"
            raw.sendall(f"{head}Content-Type: a/b\r\nContent-Length: {3 * BINARY_CHUNK_BYTES}\r\n\r\n".encode())
            raw.sendall(bytes(2 * BINARY_CHUNK_BYTES + 10))
            deadline = time.monotonic() + 60
            while database.execute(count).fetchone() == before and time.monotonic() < deadline:
                time.sleep(0.02)
            assert database.execute(count).fetchone() != before, "the pieces were not kept as they came"
        while database.execute(count).fetchone() != before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert database.execute(count).fetchone() == before


def resident_bytes(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


@pytest.fixture(scope="module")
def large(api: Api) -> tuple[str, bytes]:
    """The id of a Binary of LARGE_MB, and the SHA-256 of its content."""
    digest = hashlib.sha256()
    block = os.urandom(BINARY_CHUNK_BYTES)

    def pieces() -> Iterator[bytes]:
        for number in range(LARGE_MB):
            piece = number.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            yield piece

    answer = api.post(
        "/Binary", content=pieces(), headers={**PLAIN, "Content-Length": str(LARGE_MB * BINARY_CHUNK_BYTES)}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], digest.digest()


@contextlib.contextmanager
def reader(api: Api, address: str) -> Iterator[socket.socket]:
    """A reader that has sent its question and read nothing yet."""
    host, port = api.root.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as one:
        head = f"GET /fhir{address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {api.headers['authorization']}\r\n\r\n"
        one.sendall(head.encode())
        yield one


def taken(one: socket.socket) -> tuple[bytes, bytes, int]:
    """(head, SHA-256 of the body, its length)"""
    said, digest, size = b"", hashlib.sha256(), 0
    while b"\r\n\r\n" not in said:
        said += one.recv(4096)
    head, _, rest = said.partition(b"\r\n\r\n")
    while rest:
        digest.update(rest)
        size += len(rest)
        rest = one.recv(1 << 20)
    return head, digest.digest(), size


def test_stalled_readers_of_a_large_content_cost_no_memory(
    api: Api, journal: Instance, large: tuple[str, bytes]
) -> None:
    """Breaks if what a reader does not take is kept in the API's memory: a few of them would end the journal."""
    pid = httpx.get(journal.url + "/health").json()["pid"]
    id_, digest = large
    assert (
        hashlib.sha256(api.get(f"/Binary/{id_}").content).digest() == digest
    )  # what is allocated once is allocated now
    before = resident_bytes(pid)
    with contextlib.ExitStack() as all_of_them:
        stalled = [all_of_them.enter_context(reader(api, f"/Binary/{id_}")) for _ in range(8)]
        until = time.monotonic() + 6
        most = 0
        while time.monotonic() < until:
            most = max(most, resident_bytes(pid) - before)
            time.sleep(0.05)
        print(f"grew by {most >> 20} MB")
        assert most < 8 * 4 * BINARY_CHUNK_BYTES, f"{most >> 20} MB"
        for one in stalled[:2]:  # who goes on reading gets the rest
            head, found, size = taken(one)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert (found, size) == (digest, LARGE_MB * BINARY_CHUNK_BYTES)


def test_more_long_answers_than_there_are_places(api: Api, large: tuple[str, bytes]) -> None:
    """Breaks if stalled readers take ever more, or their places are not given back when they leave."""
    with contextlib.ExitStack() as all_of_them:
        stalled, deadline = 0, time.monotonic() + 120
        while stalled < PACED_MAX:  # those of the test before may be leaving still
            with contextlib.ExitStack() as this:
                if this.enter_context(reader(api, f"/Binary/{large[0]}")).recv(12) == b"HTTP/1.1 200":
                    stalled += 1
                    all_of_them.enter_context(this.pop_all())
            assert time.monotonic() < deadline
        answer = api.get(f"/Binary/{large[0]}", headers={"Range": "bytes=0-2000000"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert api.get(f"/Binary/{large[0]}", headers={"Range": "bytes=0-9"}).status_code == 206
    deadline = time.monotonic() + 60
    while api.get(f"/Binary/{large[0]}", headers={"Range": "bytes=0-2000000"}).status_code != 206:
        assert time.monotonic() < deadline
