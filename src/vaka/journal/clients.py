"""The register of programs that may ask for tokens, and the assertions that they have used.

Invariants: only public keys are kept; an assertion is taken once, whichever process is asked; who was removed is unknown to
every process within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
import psycopg

from vaka import log
from vaka.errors import Conflict, Invalid, NotFound, VakaError
from vaka.fhir.keys import key, resource_key
from vaka.journal.pool import Pool
from vaka.journal.statements import statements

HSA: Final = "urn:oid:1.2.752.129.2.1.4.1"
LOOK_EVERY_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class Client:
    """``keys``: its public JSON Web Keys by ``kid``; ``scopes``: as registered, with spaces between; ``provider``: Organization
    id, None for the region."""

    number: int
    name: str
    keys: Mapping[str, Mapping[str, Any]]
    scopes: str
    provider: str | None
    added: datetime


class Clients:
    """The register as this process knows it; ``follow`` keeps it at most ``LOOK_EVERY_S`` and one statement old."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._known: dict[str, Client] = {}
        self._marks: tuple[int, int] | None = None

    def named(self, name: str) -> Client | None:
        return self._known.get(name)

    def registered(self, name: str, number: int) -> bool:
        """Whether the client that had ``number`` under this name still has it."""
        found = self._known.get(name)
        return found is not None and found.number == number

    async def look(self) -> None:
        sql = statements("client")
        async with self.pool.connection() as connection:
            row = await (await connection.execute(sql["marks"])).fetchone()
            assert row is not None
            if (row[0], row[1]) == self._marks:
                return
            rows = await (await connection.execute(sql["registered"])).fetchall()
        self._known = {client.name: client for client in map(_client, rows)}
        self._marks = (row[0], row[1])

    async def follow(self) -> None:
        """Until cancelled. While the database is away, what was known stays known: it reads nothing either."""
        while True:
            try:
                await self.look()
            except (VakaError, psycopg.Error) as error:
                log.warning("clients not looked up", kind=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def use_assertion(self, client: Client, jti: str, expires: float) -> bool:
        """Marks the assertion as used, durably; False if it was used before."""
        values = {"client": client.number, "jti": sha256(jti.encode()).digest(), "expires": expires}
        async with self.pool.connection() as connection:
            row = await (await connection.execute(statements("client")["use_assertion"], values)).fetchone()
        return row is not None

    async def forget_assertions(self) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(statements("client")["forget_assertions"])


def add(dsn: str, name: str, keys: list[Mapping[str, Any]], scopes: str, provider: str | None) -> str | None:
    """Registers a client; ``provider`` is an HSA-id or an Organization id. Returns the provider's Organization id.
    Conflict if the name is taken."""
    with psycopg.connect(dsn) as connection:
        owned = _provider(connection, provider) if provider is not None else None
        values = {"name": name, "keys": orjson.dumps({"keys": keys}).decode(), "scopes": scopes, "provider": owned}
        if connection.execute(statements("client")["add"], values).fetchone() is None:
            raise Conflict(
                f"there is a client {name} already", help="vaka client remove it first, or take another name"
            )
    return owned


def remove(dsn: str, name: str) -> None:
    """Ends a client and, within a second, its tokens. NotFound if there is none of that name."""
    with psycopg.connect(dsn) as connection:
        if connection.execute(statements("client")["remove"], {"name": name}).fetchone() is None:
            raise NotFound(f"there is no client {name}", help="vaka client list shows them")


def registered(dsn: str) -> list[Client]:
    with psycopg.connect(dsn) as connection:
        return [_client(row) for row in connection.execute(statements("client")["registered"]).fetchall()]


def _client(row: Any) -> Client:
    number, name, keys, scopes, provider, added = row
    return Client(number, name, {one["kid"]: one for one in keys["keys"]}, scopes, provider, added)


def _provider(connection: psycopg.Connection, text: str) -> str:
    values = {
        "rkey": resource_key("Organization", text),
        "identifier": key("Organization.identifier", "sc", HSA, text),
    }
    rows = connection.execute(statements("client")["provider"], values).fetchall()
    if len(rows) != 1:
        told = "no Organization has" if not rows else "several Organizations have"
        raise NotFound(f"{told} the id or HSA-id {text[:64]}", help="load the region's organisations first")
    provider, itself = rows[0]
    if not itself:
        raise Invalid(
            f"{text[:64]} is a unit of the provider {provider}", help=f"give the provider: --provider {provider}"
        )
    return str(provider)
