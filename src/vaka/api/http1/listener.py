"""A socket that listens, with or without TLS, and its connections.

Invariants: several processes may listen at one port (SO_REUSEPORT), each connection is one's; a certificate is replaced by a new
socket that is there before the old one goes, and connections outlive it, but for those of callers whose certificate is void now.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vaka import config
from vaka.api.http1.connection import Application, Connection

if TYPE_CHECKING:
    from cryptography import x509

_LOOK_EVERY_S: Final = 1.0
_BACKLOG: Final = 1_024
_HANDSHAKE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Tls:
    """``authority``: whose certificates callers must show; ``revoked``: which of them are void; ``awaited``: that list may not
    have come yet, and until then none is."""

    certificate: Path
    key: Path
    authority: Path | None = None
    revoked: Path | None = None
    awaited: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.authority, self.removals) if path is not None)

    @property
    def removals(self) -> Path | None:
        """The list that there is to look into."""
        return None if self.awaited and self.revoked is not None and not self.revoked.exists() else self.revoked

    def void(self) -> x509.CertificateRevocationList | None:
        """Which certificates are removed. OSError, ValueError where the list cannot be read."""
        if (found := self.removals) is None:
            return None
        from cryptography import x509  # a copy of loopback starts without it

        return x509.load_pem_x509_crl(found.read_bytes())

    def context(self) -> ssl.SSLContext:
        """OSError, ssl.SSLError where one of the files cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate, self.key)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
            if (found := self.removals) is not None:
                context.load_verify_locations(found)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


class Listener:
    """Listens at ``host:port`` from ``open`` until ``stop``."""

    def __init__(self, application: Application, host: str, port: int, tls: Tls | None = None) -> None:
        self.application, self.tls = application, tls
        self.scheme = "https" if tls is not None else "http"
        self.loop = asyncio.get_running_loop()
        self.time = self.loop.time
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._gone = asyncio.Event()
        self._stopped = False
        self._void: x509.CertificateRevocationList | None = None

    async def open(self) -> None:
        """Setup errors of the socket are OSError."""
        self._server = await self._listen()

    async def serve(self) -> None:
        """Until it was stopped, and the last answer has left."""
        if self._server is None:
            await self.open()
        looking = self.loop.create_task(self._look())
        try:
            await self._gone.wait()
        finally:
            looking.cancel()

    async def renew(self) -> None:
        """Takes changed files of TLS into use."""
        old, self._server = self._server, await self._listen()
        if old is not None:
            old.close()

    def stop(self) -> None:
        """Takes no more connections; answers that are under way are sent."""
        self._stopped = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.finish()
        if not self._connections:
            self._gone.set()

    def add(self, connection: Connection) -> bool:
        """Whether there is room for it."""
        if len(self._connections) >= config.HTTP_CONNECTIONS_MAX:
            return False
        self._connections.add(connection)
        return True

    def discard(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._stopped and not self._connections:
            self._gone.set()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = self.time()
            for connection in tuple(self._connections):
                if self._void is not None and self._is_void(connection.shown()):
                    connection.cut()
                else:
                    connection.look(now)

    def _is_void(self, serial: int | None) -> bool:
        assert self._void is not None
        return serial is not None and self._void.get_revoked_certificate_by_serial_number(serial) is not None

    async def _listen(self) -> asyncio.Server:
        self._void = self.tls.void() if self.tls is not None else None
        return await self.loop.create_server(
            lambda: Connection(self), self._host, self._port, backlog=_BACKLOG, reuse_port=True,
            ssl=self.tls.context() if self.tls is not None else None,
            ssl_handshake_timeout=_HANDSHAKE_S if self.tls is not None else None,
        )  # fmt: skip
