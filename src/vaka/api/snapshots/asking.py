"""A PC's questions to a copy: its unit's snapshot, whether it was revoked, and the way of its log home.

Invariants: that a snapshot was revoked is believed when the copy that made it, or another that it knows, has signed that; what is
fetched replaces what is here only when it is whole (``copy.snapshot.place``).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import quote

import apsw
import httpx
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vaka import config
from vaka.api.keyring import key_id
from vaka.api.snapshots.giving import SIGNATURE, said
from vaka.copy import seed
from vaka.copy.snapshot.about import About
from vaka.copy.snapshot.place import Place
from vaka.copy.statements import statements
from vaka.errors import Fault, Gone, Unavailable


class Asking:
    """``url``: of a copy, or of several under one name; ``token``: gives this machine's token, which may be renewed."""

    def __init__(self, place: Place, url: str, token: Callable[[], str], verify: SSLContext | bool = True) -> None:
        self._place, self._url, self._token = place, url.rstrip("/"), token
        self._client = httpx.AsyncClient(
            verify=verify, trust_env=False, timeout=config.LOG_DATABASE_TIMEOUT_S, follow_redirects=False
        )

    def _proof(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}

    async def close(self) -> None:
        await self._client.aclose()

    async def post(self, address: str, body: bytes) -> tuple[int, bytes]:
        """ConnectionError where no copy can be reached."""
        try:
            answer = await self._client.post(
                self._url + address, content=body, headers={**self._proof(), "Content-Type": "application/json"}
            )
        except httpx.TransportError as away:
            raise ConnectionError("no copy can be reached") from away
        return answer.status_code, answer.content

    async def fetch(self, unit: str, *, hours: float, name: str = "") -> About:
        """The newest snapshot of ``unit``, in its place. Unavailable, Busy: none can be had now; Gone: its name was revoked."""
        received = self._place.file.with_name(f".{self._place.file.name}.{secrets.token_hex(4)}")
        asked = f"{self._url}/snapshot/{quote(unit, safe='')}?hours={hours:g}" + (
            f"&name={quote(name)}" if name else ""
        )
        self._client.headers.update(self._proof())
        try:
            async with asyncio.timeout(config.SNAPSHOT_FETCH_S):
                sent_key = await seed.receive(self._client, asked, received)
            return self._place.take(received, sent_key)
        except seed.NotGiven as refused:
            if refused.answered == httpx.codes.GONE:
                raise Gone("the snapshots of this machine were revoked", help="ask the region's operator") from refused
            raise Unavailable(
                f"no snapshot of {unit} is given ({refused.answered})",
                help=_HELP.get(refused.answered, "try again in a moment"),
            ) from refused
        except TimeoutError as late:
            raise Unavailable("the copy has not sent it in time", help="try again in a moment") from late
        except (OSError, apsw.Error) as error:
            raise Unavailable(
                f"the snapshot cannot be kept at {self._place.file}: {error}",
                help="free some room on its disk, or look whether it can be written",
            ) from error
        finally:
            for left in (
                received,
                received.with_name(f"{received.name}-wal"),
                received.with_name(f"{received.name}-shm"),
            ):
                left.unlink(missing_ok=True)

    async def revoked_us(self, about: About) -> int | None:
        """When the snapshots of its name were revoked; None: they were not. OSError, HTTPError: nobody could be asked; Fault: the
        answer is nobody's whom the snapshot knows."""
        answer = await self._client.get(
            f"{self._url}/snapshot/standing?name={quote(about.name)}", headers=self._proof()
        )
        if answer.status_code != httpx.codes.OK:
            raise ConnectionRefusedError(f"the copy answers {answer.status_code}")
        kid, _, signature = answer.headers.get(SIGNATURE, "").partition(".")
        self._verify(about, kid, signature, answer.content)
        told: dict[str, Any] = orjson.loads(answer.content)
        if told["name"] != about.name:
            raise Fault("the copy speaks of another snapshot")
        return int(told["revokedUs"]) if told["revokedUs"] is not None else None

    def _verify(self, about: About, kid: str, signature: str, body: bytes) -> None:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(about.key))
        if kid != key_id(key):
            connection = self._place.open()
            try:
                row = connection.execute(statements("snapshot")["key_of"], {"kid": kid}).fetchone()
            finally:
                connection.close()
            if row is None:
                raise Fault("the copy that answers is not known to this snapshot")
            key = Ed25519PublicKey.from_public_bytes(row[0])
        try:
            key.verify(bytes.fromhex(signature), said(body))
        except (InvalidSignature, ValueError) as error:
            raise Fault("the copy's answer is not signed with its key") from error


_HELP = {
    401: "the token is not valid any more: make a new one with `vaka token --snapshot UNIT`",
    403: "the token is for another unit: make one with `vaka token --snapshot UNIT`",
    404: "there is no such unit, or no copy of this release at this address",
}


def token_in(path: Path) -> Callable[[], str]:
    """Reads the token again each time, since it is renewed."""
    return lambda: path.read_text().strip()
