"""The listeners of this process: one for callers, one for copies with a certificate; and their certificates while they serve.

Invariants: a certificate or list that has changed on disk is taken into use without a gap, after it was checked, and one that
cannot be used leaves the old one in use; expiry is told 30 days ahead, twice a day (outages: va-certificate).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from vaka import config, log
from vaka.api.admission import Admission
from vaka.api.app import Application
from vaka.api.certificates import RENEW_BEFORE_DAYS, Authority, days_left, names_of
from vaka.api.front import LOOPBACK_NAMES, Front
from vaka.api.http1 import Listener, Tls
from vaka.api.wire import Wire, check_pair
from vaka.errors import Setup

LOOK_EVERY_S: Final = 5.0
WARN_EVERY_S: Final = 12 * 3_600.0


class Listeners:
    """What listens at ``host`` as ``wire`` says; ``application`` makes the one behind each listener. ``peers``: how a copy shows
    itself to other copies at ``wire.peer_port``, and whose certificates it takes: of the authority that made its own."""

    def __init__(
        self, wire: Wire, host: str, port: int, data_dir: Path, application: Callable[[Front], Application],
        peers: Tls | None = None,
    ) -> None:  # fmt: skip
        self._wire = wire
        of_its_own = wire.own or (wire.peer_port is not None and peers is None)
        self._authority = Authority(data_dir) if of_its_own else None
        self._makes_own = self._authority is not None and wire.certificate is None
        self._renew()
        tls = self._tls()
        names = LOOPBACK_NAMES | {name.lower() for name in (*wire.names, host)}
        if tls is not None:
            names |= {name.lower() for name in names_of(_read(tls.certificate))}
        front = Front(names, wire.believed, secure=wire.secure, copies=wire.behind_copies)
        self._serving = [Listener(application(front), host, port, tls if wire.secure else None)]
        if wire.near_port is not None:
            self._serving.append(Listener(application(Front(proxies=frozenset())), "127.0.0.1", wire.near_port))
        self._watched = [tls] if tls is not None else []
        if wire.peer_port is not None:
            if peers is None:
                assert self._authority is not None
                assert tls is not None
                peers = Tls(tls.certificate, tls.key, self._authority.certificate_path, self._authority.revoked_path)
            self._watched.append(peers)
            for_peers = application(Front(names, mutual=True, secure=True))
            self._serving.append(Listener(for_peers, wire.peer_host or host, wire.peer_port, peers))
        self._stamps = self._now()

    async def serve(self) -> None:
        """Until one of them stops."""
        tasks = [asyncio.ensure_future(one.serve()) for one in self._serving]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.stop()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        for one in self._serving:
            one.stop()

    async def follow(self) -> None:
        """Until cancelled: takes new certificates into use, and warns of old ones."""
        if not self._watched:
            return
        warned = -WARN_EVERY_S
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._renew()
                await self._take()
                if loop.time() - warned >= WARN_EVERY_S:
                    for path in dict.fromkeys(one.certificate for one in self._watched):
                        self._warn(path)
                    warned = loop.time()
            except (OSError, ValueError, Setup) as error:
                log.error("certificate cannot be used", kind=type(error).__name__, why=str(error)[:150])
            await asyncio.sleep(LOOK_EVERY_S)

    def _renew(self) -> None:
        if self._makes_own and self._authority is not None and self._authority.server(self._wire.names):
            log.info("certificate made", path=str(self._authority.server_certificate))

    def _tls(self) -> Tls | None:
        if self._wire.certificate is not None and self._wire.key is not None:
            return Tls(self._wire.certificate, self._wire.key)
        if self._authority is not None:
            return Tls(self._authority.server_certificate, self._authority.server_key)
        return None

    def _now(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for one in self._watched for path in one.files)

    async def _take(self) -> None:
        now = self._now()
        if now == self._stamps:
            return
        for watched in self._watched:
            check_pair(watched.certificate, watched.key)  # what it cannot read, the server would die of
            if (found := watched.removals) is not None:
                x509.load_pem_x509_crl(found.read_bytes())
        self._stamps = now
        for one in self._serving:
            if one.tls is not None:
                await one.renew()
        log.info("certificate taken into use", paths=", ".join(str(one.certificate) for one in self._watched))

    def _warn(self, path: Path) -> None:
        left = days_left(_read(path))
        if left < RENEW_BEFORE_DAYS:
            event = "certificate has expired" if left < 0 else "certificate expires soon"
            log.warning(event, days=round(left, 1), path=str(path))


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _told(work: asyncio.Future[None]) -> None:
    """Work beside that goes on all the time has ended: whatever it was, it does not pass in silence."""
    if not work.cancelled() and (error := work.exception()) is not None:
        log.error("work beside has ended", exception=error)


async def until_stopped(
    listeners: Listeners, beside: Sequence[Coroutine[Any, Any, None]], admission: Admission
) -> None:
    """Serves, with ``beside`` running, until SIGTERM or SIGINT; what is being answered then has ``STOP_TIMEOUT_S``."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    serving, waiting = asyncio.ensure_future(listeners.serve()), asyncio.ensure_future(stopping.wait())
    others = [asyncio.ensure_future(work) for work in beside]
    for other in others:
        other.add_done_callback(_told)
    try:
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    finally:
        for work in (*others, waiting):
            work.cancel()
        admission.close()
        listeners.stop()
        await asyncio.wait([serving], timeout=config.STOP_TIMEOUT_S)
