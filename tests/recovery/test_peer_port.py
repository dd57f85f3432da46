"""Copies on machines of their own, which meet at each other's peer port by TLS: a seed, a log whose disk is full, a token that was
made void, and a login that begins at one of them and ends at the other.

The journal and both copies are processes of this machine; each trusts what the journal's authority has signed, and nothing else.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson
import pytest
from bench.running import FULL, Vaka, command, free_port, token
from tests.authenticator import log_in
from tests.recovery.running import vaka, wait_until
from tests.recovery.sites import Begun, Person, Site, neighbour_keeps_the_log
from tests.web.browser import Browser
from tests.web.identity import CLIENT, SECRET, Identity
from tests.web.test_service import come_back, go_there

from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE

NORTH, SOUTH = 0, 1


class _Secure(Vaka):
    """A journal that copies reach by TLS."""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def ready(self) -> bool:
        try:
            return httpx.get(self.url + "/ready", verify=False, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@dataclass
class Apart(Site):
    """Two copies, each with a folder, a token and a certificate of its own, at ``ports`` for people and ``peers`` for copies."""

    folder: Path = Path()
    peer_port: int = 0
    peers: list[int] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def copy_folder(self, number: int) -> Path:
        return self.folder / f"copy{number}"

    def certificates(self, at: int) -> Path:
        return self.folder / f"tls{at}"

    def start(self, at: int) -> None:
        name, made, secret = f"copy{at}", self.certificates(at), self.folder / f"token{at}"
        secret.write_text(token(self.vaka.data, name, frozenset({FEED, FEED_PRIVATE, RESERVE})))
        assert (
            vaka("peer", "certificate", name, "--host=localhost", "--data", self.vaka.data, "--to", made).returncode
            == 0
        )
        with (self.folder / f"said{at}").open("ab") as said:
            self.processes.append(subprocess.Popen(
                command(
                    "copy", "--from", f"https://localhost:{self.peer_port}", "--data", self.copy_folder(at + 1),
                    "--token-file", secret, "--authority", made / "authority.pem", "--certificate", made / f"{name}.pem",
                    "--port", str(self.ports[at]), "--peer-port", str(self.peers[at]),
                    "--neighbour", f"https://localhost:{self.peers[1 - at]}",
                ),
                stdout=said, stderr=said,
            ))  # fmt: skip
        wait_until(lambda: self.is_up(at) and self.ready(at)["from"] == "copy", "the copy holds a record")

    def log_of(self, at: int) -> str:
        return (self.copy_folder(at + 1) / "log" / "follow.jsonl").read_text()


@pytest.fixture(scope="module")
def identity() -> Iterator[Identity]:
    made = Identity()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[Apart]:
    folder = tmp_path_factory.mktemp("peers")
    settings, peer_port = folder / "data" / "settings", free_port()
    settings.mkdir(parents=True)
    settings.parent.chmod(0o700)
    (settings / "secret").write_text(SECRET)
    (settings / "secret").chmod(0o600)
    service = {"name": "Test", "issuer": identity.issuer, "client_id": CLIENT, "secret_file": "secret"}
    (settings / "identity.json").write_bytes(orjson.dumps([service]))
    journal = _Secure(folder / "data", arguments=("--tls-own", "--name", "localhost", "--peer-port", str(peer_port)))
    try:
        journal.start()
        headers = {"Authorization": f"Bearer {token(journal.data, 'tests', FULL)}"}
        with httpx.Client(headers=headers, timeout=20) as client:
            site = Apart(
                journal, [free_port(), free_port()], journal.url, client, folder, peer_port, [free_port(), free_port()]
            )
            try:
                site.start(NORTH)
                site.start(SOUTH)
                yield site
            finally:
                for process in site.processes:
                    process.terminate()
                for process in site.processes:
                    process.wait(60)
    finally:
        journal.stop()


def test_a_copy_takes_its_first_record_from_its_neighbour(two: Apart) -> None:
    """Broken: between machines no seed is given, and each new copy reads the whole feed."""
    assert "seeding from the beginning of the feed" in two.log_of(NORTH)
    told = [orjson.loads(line) for line in two.log_of(SOUTH).splitlines()]
    seeded = [one for one in told if one["event"] == "seeded from a neighbour"]
    assert [one["neighbour"] for one in seeded] == [f"https://localhost:{two.peers[NORTH]}"]
    id_, _ = two.create(SOUTH)
    wait_until(lambda: two.answered_here(id_, SOUTH) and two.answered_here(id_, NORTH), "both follow")


def test_a_copy_whose_disk_is_full_has_its_neighbour_keep_its_log(two: Apart) -> None:
    """Broken (traps: Log): as at copies of one machine; the neighbour cannot be told by TLS."""
    neighbour_keeps_the_log(two)


def test_a_login_begun_at_one_copy_ends_at_another_once(two: Apart) -> None:
    """Broken: the copy that began cannot be asked at its peer port, or takes what it is told there for a person's own request."""
    north, south = two.urls
    passkey = Person(two, 1).passkey
    begun = Begun.at(north, passkey, ended_at=south)
    told, browser = begun.end(south)
    assert told == 200
    assert browser.session is not None
    for url in (south, north):
        assert begun.end(url)[0] in (401, 403), "used before"


def test_a_login_by_the_identity_service_begun_at_one_copy_ends_at_another(two: Apart, identity: Identity) -> None:
    """Broken: behind one name, who comes back from the identity service to the other copy is not logged in; or is logged in twice."""
    person = Person(two, 1)
    identity.claims = {"employeeHsaId": person.hsa}
    here = Browser(two.urls[NORTH])
    address = identity.authorize(go_there(here))
    name = here.url.removeprefix("http://")
    assert address.startswith(f"http://{name}/login/callback?")
    there = Browser(two.urls[SOUTH], Host=name)  # one name for both: a proxy leads to the other one
    there.cookies = dict(here.cookies)
    path = address.removeprefix(f"http://{name}")
    answer = come_back(there, path)
    assert answer.status_code == 200, answer.text
    assert there.session is not None
    headers = {"Authorization": f"Bearer {there.session}"}
    for url in two.urls:
        wait_until(
            lambda url=url: httpx.get(url + "/fhir/openapi.json", headers=headers).status_code == 200,  # type: ignore[misc]
            "the session counts there",
        )
    for again in (Browser(two.urls[NORTH]), Browser(two.urls[SOUTH], Host=name)):
        again.cookies = dict(here.cookies)
        assert come_back(again, path).status_code == 401, "the state was used before"
        assert again.session is None


def test_a_session_that_was_ended_at_one_copy_is_void_at_the_other(two: Apart) -> None:
    """Broken: between machines, who logs out at one copy stays in at the other."""
    browser = Browser(two.urls[NORTH])
    assert log_in(browser, Person(two, 1).passkey).status_code == 200
    headers = {"Authorization": f"Bearer {browser.session}"}

    def taken(at: int) -> bool:
        return httpx.get(two.urls[at] + "/fhir/openapi.json", headers=headers).status_code == 200

    wait_until(lambda: taken(NORTH) and taken(SOUTH), "the session counts")
    csrf = browser.form("/")
    assert browser.post("/logout", {"csrf": csrf}).status_code == 303
    for at in (NORTH, SOUTH):  # ended at the journal, through which both learn it
        wait_until(lambda at=at: not taken(at), "it is void", 5.0)  # type: ignore[misc]


def test_a_copy_that_was_shut_out_gets_nothing_of_its_neighbour(two: Apart) -> None:
    """Broken: a stolen copy's token and certificate go on giving it the record at its neighbours. The last test: its copy is out."""
    made = two.certificates(NORTH)
    trust = ssl.create_default_context(cafile=str(made / "authority.pem"))
    trust.load_cert_chain(made / f"copy{NORTH}.pem")
    stolen = {"Authorization": f"Bearer {(two.folder / f'token{NORTH}').read_text()}"}
    peer = f"https://localhost:{two.peers[SOUTH]}"

    def asked(**headers: str) -> tuple[int, int, int]:
        with httpx.Client(base_url=peer, verify=trust, headers={**stolen, **headers}, timeout=20) as client:
            seed = client.get("/peer/seed", headers={"vaka-seed-key": os.urandom(32).hex()}).status_code
            return seed, client.post("/peer/reserve", content=b"").status_code, client.post("/peer/carry").status_code

    assert asked() == (200, 200, 400)
    listed = vaka("keys", "list", "--json", "--data", two.vaka.data)
    before = [one["kid"] for one in orjson.loads(listed.stdout) if one["name"] == "token"]
    assert vaka("keys", "rotate", "token", "--data", two.vaka.data).returncode == 0
    (two.folder / f"token{SOUTH}").write_text(
        token(two.vaka.data, f"copy{SOUTH}", frozenset({FEED, FEED_PRIVATE, RESERVE}))
    )
    for one in before:
        assert vaka("keys", "forget", "token", one, "--data", two.vaka.data).returncode == 0
    wait_until(lambda: asked() == (401, 401, 401), "its token is void at the neighbour", 10.0)
