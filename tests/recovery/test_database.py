"""``vaka up --database`` on a PostgreSQL of an earlier major version, as a distribution brings it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from tests.client import Api, entries, observation, patient, put
from tests.recovery.running import refused, up, wait_until

from vaka.journal import binaries

INSTALLED = Path("/usr/lib/postgresql")
MAJORS = (15, 16, 17)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Server:
    """A cluster made and run by the programs in ``programs``, reachable by a socket in a folder of its own."""

    def __init__(self, programs: Path, home: Path) -> None:
        self.home = home
        self.programs = programs
        owner = binaries.owner_for(home)
        os.chown(home, owner.uid, owner.gid)
        same = os.geteuid() == owner.uid
        self.popen: dict[str, Any] = {"cwd": home} | (
            {} if same else {"user": owner.uid, "group": owner.gid, "extra_groups": []}
        )

    def make(self, *options: str) -> None:
        command = [str(self.programs / "initdb"), "--pgdata", str(self.home / "pg"), "--username=postgres"]
        command += ["--encoding=UTF8", "--locale=C", "--auth=trust", *options]
        subprocess.run(command, check=True, capture_output=True, **self.popen)

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.home / "log").open("ab") as log:
            server = subprocess.Popen(
                [self.programs / "postgres", "-D", self.home / "pg", "-c", "listen_addresses=", "-c", f"unix_socket_directories={self.home}"],
                stdout=log, stderr=log, **self.popen,
            )  # fmt: skip
        try:
            wait_until(lambda: server.poll() is not None or self.accepting(), "PostgreSQL", 30)
            assert server.poll() is None, (self.home / "log").read_text()
            yield server
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)

    def accepting(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.dsn("postgres", "postgres")):
            return True
        return False

    def dsn(self, user: str = "vaka", database: str = "vaka") -> str:
        return f"host={self.home} user={user} dbname={database}"

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.dsn("postgres", "postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(params=MAJORS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    programs = INSTALLED / str(request.param) / "bin"
    if not (programs / "initdb").exists():
        pytest.skip(
            f"there is no PostgreSQL {request.param} in {INSTALLED}: apt-get install postgresql-{request.param}"
        )
    home = Path(tempfile.mkdtemp(prefix="vaka-pg-"))
    try:
        yield Server(programs, home)
    finally:
        shutil.rmtree(home)


def test_the_record_on_an_earlier_postgresql(server: Server, tmp_path: Path) -> None:
    """Broken: a hospital's own PostgreSQL is promised, and Vaka does not start on it or loses it when it restarts."""
    server.make("--data-checksums")
    with server.started():
        server.execute("CREATE ROLE vaka LOGIN IN ROLE pg_monitor", "CREATE DATABASE vaka OWNER vaka")
        with up(tmp_path / "v", "--database", server.dsn()) as running:
            worked(running.port, running.token())
            pid = running.pid("journal")
    with server.started(), up(tmp_path / "v", "--database", server.dsn()) as running:
        api = Api(f"http://127.0.0.1:{running.port}", running.token())
        assert api.get("/Patient/p1").json()["name"][0]["family"] == "Öberg"
        assert api.get("/Patient/p1/_history").json()["total"] == 2
        assert running.pid("journal") != pid


def test_a_restart_of_the_database_beneath(server: Server, tmp_path: Path) -> None:
    """Broken: the API does not outlive the database that it is given, or is not ready again by itself."""
    server.make("--data-checksums")
    with contextlib.ExitStack() as stack:
        with server.started():
            server.execute("CREATE ROLE vaka LOGIN IN ROLE pg_monitor", "CREATE DATABASE vaka OWNER vaka")
            running = stack.enter_context(up(tmp_path / "v", "--database", server.dsn()))
            pid = running.pid("journal")
            id_ = running.create("Before")
        wait_until(lambda: not running.ready(), "not ready without its database")
        assert httpx.get(f"http://127.0.0.1:{running.port}/health").json()["pid"] == pid
        stack.enter_context(server.started())
        running.await_ready()
        assert running.read(id_) == 200
        assert running.pid("journal") == pid


def test_a_database_without_checksums_is_refused(server: Server, tmp_path: Path) -> None:
    """Broken: what the disk spoils is served as the record."""
    server.make()
    with server.started():
        server.execute("CREATE ROLE vaka LOGIN IN ROLE pg_monitor", "CREATE DATABASE vaka OWNER vaka")
        assert "data_checksums = off" in refused(tmp_path / "v", "--database", server.dsn())


def worked(port: int, token: str) -> None:
    """One of each kind of statement that the journal has."""
    api = Api(f"http://127.0.0.1:{port}", token)
    assert api.put("/Patient/p1", json=patient("p1", id="p1", name=[{"family": "Åberg"}])).status_code == 201
    assert api.put("/Patient/p1", json=patient("p1", id="p1", name=[{"family": "Öberg"}])).status_code == 200
    value = {"value": 72.5, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"}
    made = api.transact(
        put(patient("p2", id="p2", name=[{"family": "Ek"}], birthDate="1950-02-03")),
        put(observation("o1", id="o1", subject={"reference": "Patient/p2"}, effectiveDateTime="2026-01-02", valueQuantity=value)),
        Idempotency_Key="once",
    )  # fmt: skip
    assert made.status_code == 200, made.text
    for address, expected in {
        "/Patient?name:contains=ber": ["p1"],
        "/Patient?identifier=p2": ["p2"],
        "/Patient?birthdate=lt1960&_sort=-birthdate": ["p2"],
        "/Observation?value-quantity=gt0.07|http://unitsofmeasure.org|g/L": ["o1"],
        "/Observation?patient.name=ek&date=2026-01": ["o1"],
        "/Patient?_has:Observation:patient:code=8480-6": ["p2"],
        "/Patient?_sort=family": ["p2", "p1"],
    }.items():
        assert api.ids(address) == expected, address
    assert len(entries(api.bundle("/Observation?_include=Observation:subject"), "include")) == 1
    content = os.urandom(2_500_000)
    sent = api.post("/Binary", content=content, headers={"Content-Type": "application/octet-stream"})
    assert api.get(f"/Binary/{sent.json()['id']}").content == content
    assert api.delete("/Observation/o1").status_code == 204
    lines = httpx.get(f"{api.root}/feed", headers=dict(api.headers)).content.splitlines()
    told = [orjson.loads(line) for line in lines]
    assert sum("body" in line for line in told) >= 4, told
