"""One real server for all tests that speak HTTP: ``vaka up`` with its own PostgreSQL, in a folder of its own.

VAKA_TEST_DATA=DIR with VAKA_TEST_URL=URL names a server that runs already, for who works on a test.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from bench.running import FULL, running, token
from httpx._transports import default as _transport
from tests.client import Api, fresh

from vaka.access.session import CLINICIAN, Assignment, Purpose, Right

LONGEST = ("recovery", "access", "on_copy", "copy", "web", "api", "fuzz", "tidy", "unit")
"""Where several run at once, files are given out in this order: what is long begins first, what is short fills the end."""

_made_once = cache(httpx.create_ssl_context)


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    """httpx reads all authorities of the world for each client, even one that speaks plain HTTP: 50 ms of a core, some thousands
    of times in a run. The tests' process reads them once; what a test trusts by itself is made as ever."""
    return (
        _made_once()
        if (verify, cert, trust_env) == (True, None, True)
        else httpx.create_ssl_context(verify, cert, trust_env)
    )


vars(_transport)["create_ssl_context"] = _context


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        root, order = Path(__file__).parent, {folder: place for place, folder in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(item.path.relative_to(root).parts[0], -1))


@dataclass(frozen=True, slots=True)
class Instance:
    """A running Vaka. ``url``: without a path. ``data``: its folder."""

    url: str
    data: Path

    def token(self, name: str, scopes: frozenset[str] = FULL, *, days: float = 1.0) -> str:
        return token(self.data, name, scopes, days=days)

    def session(
        self,
        *,
        person: str,
        practitioner: str,
        unit: str,
        provider: str,
        purpose: Purpose = Purpose.CARE,
        rights: frozenset[Right] = CLINICIAN,
        name: str = "",
        assignment: str | None = None,
        began_us: int | None = None,
    ) -> str:
        """The session of a person (HSA-id) in an assignment, for ``Authorization: Bearer``: as a login makes it, without one.
        ``assignment``: a PractitionerRole's id; without one it lives 15 minutes, and nothing renews it."""
        from vaka.api import sessions
        from vaka.api.keyring import Keyring

        made = sessions.begin(
            person=person,
            practitioner=practitioner,
            name=name or person,
            assignment=Assignment(assignment or f"none-{fresh()}", unit, provider, purpose, rights, "Test"),
            way="demo",
            began_us=began_us,
        )
        return sessions.Sessions(Keyring(self.data, "session")).make(made)

    def client(self, token: str) -> Api:
        """A client of whoever has this token or session."""
        return Api(self.url, token)

    def faults(self) -> list[str]:
        """What its log tells of faults: the requests that were answered with 500, and why."""
        found = []
        for path in self.data.glob("log/journal.jsonl*"):
            for line in path.read_bytes().splitlines():
                told = orjson.loads(line)
                if told["event"] == "fault":
                    found.append(
                        f"{told.get('method')} {told.get('path')}: {told.get('exception')} {told.get('stack')}"
                    )
        return found


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The server. At the end: it must never have failed on a request, and never have been started again."""
    if "VAKA_TEST_URL" in os.environ:
        yield Instance(os.environ["VAKA_TEST_URL"], Path(os.environ["VAKA_TEST_DATA"]))
        return
    with running(tmp_path_factory.mktemp("vaka") / "data") as vaka:
        instance = Instance(vaka.url, vaka.data)
        pid = httpx.get(instance.url + "/health").json()["pid"]
        yield instance
        assert httpx.get(instance.url + "/health").json()["pid"] == pid, "the journal was started again meanwhile"
    assert not instance.faults()


def programs(journal: Instance) -> Iterator[Callable[..., Api]]:
    """What the fixture ``client`` gives."""
    made: list[Api] = []

    def make(name: str, scopes: frozenset[str] = FULL, *, days: float = 1.0) -> Api:
        made.append(journal.client(journal.token(name, scopes, days=days)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def client(journal: Instance) -> Iterator[Callable[..., Api]]:
    """Makes clients of the server: ``client("name")`` with full rights, ``client("name", scopes=…)`` with others."""
    yield from programs(journal)


@pytest.fixture(scope="session")
def api(client: Callable[..., Api]) -> Api:
    """A client with full rights: all that most tests need."""
    return client("tests")


def people(journal: Instance) -> Iterator[Callable[..., Api]]:
    """What the fixture ``person`` gives."""
    made: list[Api] = []

    def make(**who: Any) -> Api:
        made.append(journal.client(journal.session(**who)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def person(journal: Instance) -> Iterator[Callable[..., Api]]:
    """Makes clients of people: ``person(person=…, practitioner=…, unit=…, provider=…, …)``, as ``Instance.session`` takes them."""
    yield from people(journal)


@pytest.fixture
def tag() -> str:
    """A value that no other test uses: tests share one record."""
    return fresh()
