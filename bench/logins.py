"""A wave of logins at a copy: 180 each second, each a person of their own with a passkey, while 20,000 sessions are alive.

A login is what a browser does on a connection of its own: the login's page with its challenge, the authenticator's answer, and
the first sheet with the session that came. Open loop: its time counts from when it was due to the last byte of the sheet. The
challenge is signed as a device does; nothing is left out at the copy. Its sessions that are alive have each been used there
before. The copy with all its processes has one core, the journal (alive), PostgreSQL and the load the other.
"""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import uvloop
from bench.access import tokens_of
from bench.authenticator import Authenticator
from bench.figure import Figure, sized
from bench.load_client import drive
from bench.place import vaka
from bench.sheets_of import get
from bench.site import Site, site, until

PER_S: Final = 180.0
SECONDS: Final = 30.0
WARM_UP_S: Final = 5.0
SESSIONS: Final = 20_000
GIVEN_UP_S: Final = 10.0
_HSA: Final = "urn:oid:1.2.752.129.2.1.4.1"
_TITLE: Final = {"coding": [{"system": "urn:oid:1.2.752.116.3.1.3", "code": "LK"}], "text": "Läkare"}
_FORM: Final = re.compile(rb'data-csrf="([^"]+)" data-challenge="([^"]+)"')
_SHOWN: Final = """
SELECT DISTINCT p.id, c.unit, o.provider FROM care_relation c JOIN resource p ON p.rkey = c.patient
JOIN owner o ON o.unit = c.unit
WHERE NOT p.deleted AND c.from_us <= %(now)s AND c.until_us > %(now)s + 3600000000 AND o.provider IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Who logs in, and whose sheet is read first."""

    hsa: str
    passkey: Authenticator
    patient: str


@dataclass(slots=True)
class Found:
    """``times_s``: of logins that ended with a sheet; ``failed``: why the others did not; ``late_s``: how late each began."""

    due: int = 0
    times_s: list[float] = field(default_factory=list)
    entered_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def quantile_ms(self, q: float) -> float:
        """Of all that were due: one that failed never ended."""
        ordered = [*sorted(self.times_s), *[float("inf")] * (self.due - len(self.times_s))]
        return ordered[min(int(len(ordered) * q), len(ordered) - 1)] * 1_000


def measure() -> list[Figure]:
    per_s, seconds = sized("logins_per_s", int(PER_S)), sized("logins_s", int(SECONDS))
    with site(copies=1) as copies:
        people = _people(copies, int(per_s * (seconds + WARM_UP_S)) + 100)
        copies.settle()
        copies.pin()
        alive = _alive(copies, sized("sessions", SESSIONS))
        found = uvloop.run(_wave(copies.ports[0], people, per_s, seconds))
    late = sorted(found.late_s)[int(len(found.late_s) * 0.99)] * 1_000
    entered = sorted(found.entered_s)
    detail = (
        f"{found.due:,} logins in {seconds} s, {alive:,} sessions alive; median {found.quantile_ms(0.5):.0f} ms, p99"
        f" {found.quantile_ms(0.99):.0f} ms; from the passkey's answer to the sheet p95"
        f" {entered[int(len(entered) * 0.95)] * 1_000 if entered else 0:.0f} ms; failed: {dict(found.failed) or 'none'};"
        f" begun p99 {late:.0f} ms late"
    )
    what = f"{per_s} logins/s with {alive:,} sessions alive: p95 of login's page, passkey and first sheet"
    return [Figure("logins", what, round(found.quantile_ms(0.95), 1), "ms", 1_000, 250, True, detail)]


def _shown(copies: Site) -> list[tuple[str, str, str]]:
    """(patient, unit, provider): who may read whose sheet."""
    with psycopg.connect(copies.place.dsn, autocommit=True) as connection:
        return connection.execute(_SHOWN, {"now": time.time_ns() // 1_000}).fetchall()


def _people(copies: Site, count: int) -> list[Person]:
    """People with an assignment each, and a passkey, as the journal and the copy know them."""
    rows = _shown(copies)
    people: list[Person] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.ndjson"
        with path.open("wb") as file:
            for number in range(count):
                patient, unit, _ = rows[number % len(rows)]
                person = Person(f"TSTVAKA0009-L{number:06}", Authenticator(), patient)
                people.append(person)
                for resource in _resources(number, person.hsa, unit):
                    file.write(orjson.dumps(resource) + b"\n")
        subprocess.run(  # nosec B603  our own command
            vaka("load", str(path), "--data", str(copies.place.data)), check=True, stdout=sys.stderr
        )
    with psycopg.connect(copies.place.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO passkey (credential, person, site, public_key, signs, demo) VALUES (%s, %s, 'localhost', %s, 0, false)",
            [(one.passkey.credential, one.hsa, one.passkey.public_key) for one in people],
        )
    until(lambda: int(copies.copies[0].record("SELECT count(*) FROM passkey")) >= count, "the copy has the passkeys")
    return people


def _resources(number: int, hsa: str, unit: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    id_ = f"bench-login-{number}"
    person = {
        "resourceType": "Practitioner", "id": id_, "active": True, "name": [{"family": "Lund", "given": ["Åsa"]}],
        "identifier": [{"system": _HSA, "value": hsa}],
    }  # fmt: skip
    role = {
        "resourceType": "PractitionerRole", "id": f"bench-role-{number}", "active": True, "code": [_TITLE],
        "practitioner": {"reference": f"Practitioner/{id_}"}, "organization": {"reference": f"Organization/{unit}"},
    }  # fmt: skip
    return person, role


def _alive(copies: Site, count: int) -> int:
    """Begins so many sessions, each used once at the copy; how many."""
    rows = _shown(copies)
    units = {unit: provider for _, unit, provider in rows}
    tokens = tokens_of(copies.place, units, -(-count // len(units)))
    patients = {unit: patient for patient, unit, _ in rows}
    requests = [
        get(f"/sheet/{patients[unit]}", "packed", f"Authorization: Bearer {token}\r\n")
        for unit, some in tokens.items() for token in some
    ]  # fmt: skip
    random.shuffle(requests)
    waiting = iter(requests)
    run = uvloop.run(drive("127.0.0.1", copies.ports[0], lambda: next(waiting), connections=32, count=len(requests)))
    used = run.statuses.get(200, 0)
    if used < len(requests) * 0.99:
        raise RuntimeError(f"the sessions could not be used: {run.statuses}")
    return used


async def _wave(port: int, people: Sequence[Person], per_s: float, seconds: float) -> Found:
    found, chance = Found(), random.Random(1)
    waiting, tasks = iter(people), set()
    began = due = time.perf_counter()
    counted = began + WARM_UP_S
    while due < counted + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(_login(port, next(waiting), due, found if due >= counted else Found()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += chance.expovariate(per_s)
    if tasks:
        await asyncio.wait(tasks, timeout=GIVEN_UP_S + 1)
    return found


async def _login(port: int, person: Person, due: float, found: Found) -> None:
    found.due += 1
    found.late_s.append(time.perf_counter() - due)
    try:
        async with asyncio.timeout(GIVEN_UP_S):
            entered = await _as_a_browser(port, person)
    except Refused as refused:
        found.failed[str(refused)] += 1
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        found.failed[type(error).__name__] += 1
    else:
        found.times_s.append(time.perf_counter() - due)
        found.entered_s.append(time.perf_counter() - entered)


class Refused(Exception):
    """An answer that is not the one that a login goes on from."""


async def _as_a_browser(port: int, person: Person) -> float:
    """A login to its first sheet; when the passkey's answer was sent."""
    origin = f"http://localhost:{port}"
    browser = _Browser(*await asyncio.open_connection("127.0.0.1", port), f"localhost:{port}")
    try:
        page = await browser.ask("GET", "/login")
        form = _FORM.search(page)
        if form is None:
            raise Refused("no form")
        proof = {"X-CSRF-Token": form[1].decode(), "Origin": origin, "Content-Type": "application/json"}
        answer = orjson.dumps(person.passkey.answer(form[2].decode(), origin))
        entered = time.perf_counter()
        told = orjson.loads(await browser.ask("POST", "/login/passkey", proof, answer))
        if told["next"] == "/assignment":
            raise Refused("several assignments")
        await browser.ask("GET", f"/sheet/{person.patient}", {"Accept": "application/json"})
        return entered
    finally:
        browser.close()


class _Browser:
    """One connection, and its cookies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._cookies: dict[str, str] = {}

    async def ask(
        self, method: str, address: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        """The body of a 200. Refused for another."""
        sent = {"Host": self._host, "Accept-Encoding": "identity", **(headers or {})}
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        if body:
            sent["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._writer.write(f"{method} {address} HTTP/1.1\r\n{head}\r\n".encode() + body)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
        length = 0
        for line in lines:
            name, _, value = line.partition(": ")
            if name.lower() == "content-length":
                length = int(value)
            elif name.lower() == "set-cookie":
                self._keep(value)
        content = await self._reader.readexactly(length)
        if first.split(" ")[1] != "200":
            raise Refused(f"{method} {address.split('/')[1]} {first.split(' ')[1]}")
        return content

    def _keep(self, cookie: str) -> None:
        name, _, rest = cookie.partition("=")
        value = rest.partition(";")[0]
        if value:
            self._cookies[name] = value
        else:
            self._cookies.pop(name, None)

    def close(self) -> None:
        self._writer.close()
