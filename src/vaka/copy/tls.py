"""How a copy speaks to its journal and to other copies beyond this machine.

Invariants: a certificate, an authority or a list of removed certificates that has changed is taken into use without a stop, for
each connection made from then on; one that cannot be used is told, and leaves the old one in use; who stands in the list is not
spoken to, on no connection that stood before either.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from vaka import log

LOOK_EVERY_S: Final = 5.0
_Verify = ssl.SSLContext | bool
_NO_PASSPHRASE: Final = ""  # a key that has one is an error, and nobody is asked for it


def tls(authority: Path | None, certificate: Path | None) -> _Verify:
    """How the journal is verified, and this copy's own certificate where there is one."""
    if authority is None and certificate is None:
        return True
    if authority is not None:
        context = ssl.create_default_context(cafile=str(authority))
    else:
        import httpx  # a copy of loopback starts without it

        context = httpx.create_ssl_context(verify=True)
    if certificate is not None:
        context.load_cert_chain(certificate, password=_NO_PASSPHRASE)
    return context


class Ways:
    """This copy's ways to its ``journal`` and to other ``copies``, as httpx takes them. ``revoked``: where the list of removed
    certificates comes to lie, signed by the ``authority``; ``renew``: what makes connections to other copies anew."""

    def __init__(self, authority: Path | None, certificate: Path | None, revoked: Path) -> None:
        self._authority, self._certificate, self._revoked = authority, certificate, revoked
        self.journal, self.copies = tls(authority, certificate), tls(authority, certificate)
        self.renew: list[Callable[[], Awaitable[None]]] = []
        self._stamps = self._now()
        self._refuse()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if changed := self.look():
                    log.info("certificate taken into use", paths=", ".join(map(str, changed)))
                    await asyncio.gather(*(renew() for renew in self.renew))
            except (OSError, ValueError) as error:
                log.error("certificate cannot be used", kind=type(error).__name__, why=str(error)[:150])

    def look(self) -> list[Path]:
        """Takes what has changed into use; which files have. OSError (ssl.SSLError among them) for what cannot be used."""
        now = self._now()
        changed = [path for path, stamp in now.items() if stamp != self._stamps[path]]
        if not changed:
            return []
        tls(self._authority, self._certificate)  # half of a pair must not come into use
        for context in (self.journal, self.copies):
            if isinstance(context, ssl.SSLContext):
                if self._authority is not None:
                    context.load_verify_locations(self._authority)
                if self._certificate is not None:
                    context.load_cert_chain(self._certificate, password=_NO_PASSPHRASE)
        self._refuse()
        self._stamps = now
        return changed

    def _refuse(self) -> None:
        """Of several lists the newest counts. The journal's certificate may be another authority's, which has no list here."""
        if self._authority is not None and isinstance(self.copies, ssl.SSLContext) and self._revoked.exists():
            self.copies.load_verify_locations(self._revoked)
            self.copies.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF

    def _now(self) -> dict[Path, int | None]:
        return {path: _stamp(path) for path in (self._authority, self._certificate, self._revoked) if path is not None}


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
