"""A journal with two copies in front, whoever has started them, and what tests do with such: people, logins, a disk that is full."""

from __future__ import annotations

import os
import resource
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from bench.running import FULL, Vaka, token
from tests.accesses import events, verified
from tests.authenticator import Authenticator, log_in
from tests.client import fresh
from tests.feeding import dsn
from tests.recovery.running import wait_until
from tests.web.browser import Browser

from vaka.accesslog.files import stream_name
from vaka.copy import engine, files
from vaka.copy.files import Folder
from vaka.copy.own import Own
from vaka.copy.reserve.neighbours import Neighbours
from vaka.fhir.keys import resource_key
from vaka.watch import status


@dataclass
class Site:
    """A journal with two copies in front."""

    vaka: Vaka
    ports: list[int]
    journal: str
    client: httpx.Client

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def pid(self, name: str, folder: Path | None = None) -> int:
        found = status.read((folder or self.vaka.data) / "run" / "status.json")
        assert found is not None
        return next((part.pid or 0 for part in found.parts if part.name == name and part.state != "gone"), 0)

    def copy_folder(self, number: int) -> Path:
        return self.vaka.data / "copies" / str(number)

    def create(self, at: int = 0, **headers: str) -> tuple[str, httpx.Response]:
        made = self.client.post(
            self.urls[at] + "/fhir/Patient", json={"resourceType": "Patient", "name": [{"family": fresh()}]},
            headers=headers,
        )  # fmt: skip
        assert made.status_code == 201, made.text
        return str(made.json()["id"]), made

    def answered_here(self, id_: str, at: int = 0) -> bool:
        answer = self.client.get(f"{self.urls[at]}/fhir/Patient/{id_}")
        return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"

    def is_up(self, at: int) -> bool:
        try:
            return bool(self.ready(at)["reading"])
        except httpx.TransportError:
            return False

    def ready(self, at: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = self.client.get(self.urls[at] + "/ready").json()
        return told


def neighbour_keeps_the_log(site: Site) -> None:
    """No file of the first copy takes anything, and the journal stands still: what is read there is on the second one's disk, and
    later in the journal's tables, though the first one was killed; no access is lost or stands twice."""
    made = [site.create()[0] for _ in range(6)]
    for id_ in made:
        wait_until(lambda id_=id_: site.answered_here(id_), "the copy has it")  # type: ignore[misc]
    serving, folder = site.pid("serve-1", site.copy_folder(1)), Folder(site.copy_folder(2))
    assert site.vaka.process is not None
    still = (site.vaka.process.pid, site.pid("journal"))
    reader = {"Authorization": f"Bearer {token(site.vaka.data, 'disk-reader', FULL)}"}
    tries: Counter[tuple[int, ...]] = Counter()

    def read(id_: str) -> bool:
        tries[(resource_key("Patient", id_),)] += 1
        try:
            return site.client.get(f"{site.urls[0]}/fhir/Patient/{id_}", headers=reader).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(lambda: Neighbours(Folder(site.copy_folder(1))).peers(), "it has a neighbour")
    for pid in still:
        os.kill(pid, signal.SIGSTOP)
    stream = stream_name(site.copy_folder(1) / "accesslog" / "serve-1")
    assert stream is not None
    connection = engine.writer(folder.own, files.key(folder))
    own = Own(connection)
    try:
        resource.prlimit(serving, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))  # no file takes more than a byte
        for id_ in made:
            wait_until(lambda id_=id_: read(id_), "it is read, be it at the second try")  # type: ignore[misc]
        assert own.carried(), "the neighbour keeps them on its disk"
        os.kill(serving, signal.SIGKILL)  # all that it knew of them is gone
    finally:
        for pid in reversed(still):
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: site.pid("serve-1", site.copy_folder(1)) not in (0, serving), "another takes its place")
    wait_until(lambda: site.is_up(0), "it answers")
    wait_until(lambda: not own.carried(), "the neighbour has brought them")
    connection.close()
    logged = Counter(
        one.record.patients for one in events(site.vaka.data) if "disk-reader" in one.record.actor.principal
    )
    assert logged.keys() == tries.keys(), "each is there"
    assert all(logged[one] <= tries[one] for one in tries), "and none more often than it was tried"

    def whole() -> bool:
        found = verified(site.vaka.data)
        return all(one.stream != stream for one in found.findings) and not any(stream in note for note in found.notes)

    wait_until(whole, "the rest of that log has come from its files, and what was carried fits in")


class Person:
    """Somebody with a passkey who may work at some units, known at both copies."""

    def __init__(self, site: Site, units: int) -> None:
        self.passkey, tag = Authenticator(), fresh()[:12]
        hsa = self.hsa = f"TSTVAKA0009-T{tag.upper()}"

        def put(resource: dict[str, Any]) -> None:
            sent = site.client.put(f"{site.urls[0]}/fhir/{resource['resourceType']}/{resource['id']}", json=resource)
            assert sent.status_code in (200, 201), sent.text

        put({"resourceType": "Organization", "id": f"p-{tag}", "name": "Region", "active": True})
        put({
            "resourceType": "Practitioner", "id": f"c-{tag}", "name": [{"family": "Lund"}],
            "identifier": [{"system": "urn:oid:1.2.752.129.2.1.4.1", "value": hsa}],
        })  # fmt: skip
        for number in range(units):
            ward = f"w{number}-{tag}"
            part_of = {"reference": f"Organization/p-{tag}"}
            put({"resourceType": "Organization", "id": ward, "name": ward, "active": True, "partOf": part_of})
            put({
                "resourceType": "PractitionerRole", "id": f"r{number}-{tag}", "active": True,
                "practitioner": {"reference": f"Practitioner/c-{tag}"}, "organization": {"reference": f"Organization/{ward}"},
                "code": [{"coding": [{"system": "urn:oid:1.2.752.116.3.1.3", "code": "LK"}], "text": "Läkare"}],
            })  # fmt: skip
        with psycopg.connect(dsn(site.vaka.data), autocommit=True) as connection:
            connection.execute(
                "INSERT INTO passkey (credential, person, site, public_key, signs, demo)"
                " VALUES (%s, %s, 'localhost', %s, 0, false)",
                (self.passkey.credential, hsa, self.passkey.public_key),
            )
        for url in site.urls:
            wait_until(lambda url=url: log_in(Browser(url), self.passkey).status_code == 200, "it is known there")  # type: ignore[misc]


@dataclass
class Begun:
    """A login begun at one copy, to be ended at another: the browser's cookies, and what the authenticator has signed."""

    cookies: dict[str, str]
    csrf: str
    signed: dict[str, Any]

    @classmethod
    def at(cls, url: str, passkey: Authenticator, *, ended_at: str) -> Begun:
        browser = Browser(url)
        page = browser.get("/login").text
        csrf, challenge = (page.split(f'data-{name}="')[1].split('"')[0] for name in ("csrf", "challenge"))
        return cls(dict(browser.cookies), csrf, passkey.answer(challenge, Browser(ended_at).url))

    def end(self, url: str, **cookies: str) -> tuple[int, Browser]:
        browser = Browser(url)
        browser.cookies = {**self.cookies, **cookies}
        headers = {"X-CSRF-Token": self.csrf, "Origin": browser.url}
        return browser.ask("POST", "/login/passkey", headers, json=self.signed).status_code, browser
