"""Programs as tests register them: a key of their own, an assertion signed with it, a token in exchange."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from tests.client import Api, fresh
from tests.conftest import Instance
from tests.waiting import until

from vaka import assemble
from vaka.access.scopes import parse_scopes
from vaka.api.assertions import public_keys
from vaka.api.authorization import ASSERTION_TYPE
from vaka.journal import clients
from vaka.journal.statements import statements
from vaka.load.target import dsn_of

LABORATORY = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
VITAL = {**LABORATORY, "code": "vital-signs"}
KID = "key-1"


def dsn(journal: Instance) -> str:
    return dsn_of(assemble.directory(journal.data), None)


@dataclass
class Program:
    """A registered program. ``key``: its private key."""

    journal: Instance
    name: str
    key: Any
    algorithm: str = "ES384"
    made: list[Api] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.journal.url}/auth/token"

    def claims(self, **others: Any) -> dict[str, Any]:
        now = int(time.time())
        told = {
            "iss": self.name,
            "sub": self.name,
            "aud": self.address,
            "exp": now + 120,
            "iat": now,
            "jti": uuid.uuid4().hex,
        }
        return {name: value for name, value in {**told, **others}.items() if value is not None}

    def assertion(self, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A signed assertion; a claim that is None is left out."""
        return jwt.encode(self.claims(**claims), self.key, self.algorithm, headers={"kid": KID, **(headers or {})})

    def ask(self, assertion: str | None = None, **form: str) -> httpx.Response:
        """The answer of the token address."""
        sent = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
            **form,
        }
        return httpx.post(self.address, data=sent, timeout=30)

    def api(self, scope: str | None = None) -> Api:
        answer = self.ask(**({"scope": scope} if scope else {}))
        assert answer.status_code == 200, answer.text
        self.made.append(self.journal.client(answer.json()["access_token"]))
        return self.made[-1]

    def remove(self) -> None:
        clients.remove(dsn(self.journal), self.name)


def known(journal: Instance) -> None:
    """Returns when the server has looked at the register of programs once more."""
    looks = [statements("client")[name].strip() for name in ("marks", "registered")]
    with psycopg.connect(dsn(journal), autocommit=True) as connection:
        asked = "SELECT clock_timestamp()"
        since = connection.execute(asked).fetchone()
        looked = "SELECT 1 FROM pg_stat_activity WHERE query = ANY(%s) AND query_start > %s AND state = 'idle'"
        until(lambda: connection.execute(looked, [looks, *(since or ())]).fetchone(), "the server has looked")
    time.sleep(0.1)  # what it has read is taken into use


@pytest.fixture
def program(journal: Instance) -> Iterator[Callable[..., Program]]:
    """Registers programs: ``program("system/Observation.rs", provider=…)``."""
    made: list[Program] = []

    def register(*scopes: str, provider: str | None = None, key: Any = None, jwk: Any = None) -> Program:
        name = f"p-{fresh()}"
        private = key or generate_private_key(SECP384R1())
        shown = jwk or {**jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": KID}
        import orjson

        grants, others = parse_scopes(" ".join(scopes))
        keys = public_keys(orjson.dumps({"keys": [shown]}))
        granted = " ".join([*(grant.text for grant in grants), *sorted(others)])
        clients.add(dsn(journal), name, keys, granted, provider)
        made.append(Program(journal, name, private))
        known(journal)
        return made[-1]

    yield register
    for one in made:
        for api in one.made:
            api.close()


def result(tag: str, category: dict[str, str] = LABORATORY, **members: Any) -> dict[str, Any]:
    """An Observation of a category."""
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "http://example.org/test", "value": tag}],
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        **members,
    }
