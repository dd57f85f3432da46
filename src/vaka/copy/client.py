"""The journal's feeds over HTTP, read as what a stranger sends: bounded in memory, cut at any byte, silent at any time.

Invariants: a line is given on only when it is whole; one over the limit is given with its first part only; what is decompressed
at once is bounded; a connection that says nothing for ``config.COPY_SILENCE_S`` is given up.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import zstandard

from vaka import config
from vaka.copy.board import boottime_ns
from vaka.copy.clock import wall_us
from vaka.copy.lines import Broken, Heartbeat, Mark, clock_us
from vaka.errors import Conflict, Forbidden, Unavailable
from vaka.store.cursor import Cursor

_HEAD_BYTES: Final = 64 * 1024


class Lines:
    """Cuts what comes into lines without their ends."""

    def __init__(self, limit: int = config.COPY_LINE_MAX_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._over = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._add(part)
            yield bytes(self._rest)
            self._rest.clear()
            self._over = False
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if self._over:
            return
        self._rest += part
        if len(self._rest) > self._limit:
            self._over = True
            del self._rest[_HEAD_BYTES:]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has begun. ``epoch``: the journal's; ``asked_ns``: when it was asked for, before ``began_us`` of the
    journal's clock (None: one of a release that does not tell); ``horizon_xid``: how far the feed went then."""

    epoch: int
    lines: AsyncIterator[bytes]
    asked_ns: int = 0
    began_us: int | None = None
    horizon_xid: int | None = None

    @property
    def now_us(self) -> int:
        """What the journal's clock shows now, as far as that is known here; of a release that does not tell: this machine's."""
        if self.began_us is None:
            return wall_us()
        return self.began_us + (boottime_ns() - self.asked_ns) // 1_000

    def made_ns(self, mark: Mark | Heartbeat) -> int:
        """When ``mark`` was made, by this machine's clock (``board.boottime_ns``), or somewhat earlier."""
        made = boottime_ns()
        return made if self.began_us is None else min(made, self.asked_ns + (mark.at_us - self.began_us) * 1_000)

    def known_ns(self, mark: Mark | Heartbeat) -> int:
        """Until when, by the same clock, all that was committed is below ``mark``: what waited on its way, or for a write that is
        still open, is as old as it is."""
        return self.made_ns(mark) - int(mark.age_s * 1e9)


class Client:
    """One journal, asked with one token over one pool of connections."""

    def __init__(self, url: str, token: str, *, verify: ssl.SSLContext | bool = True) -> None:
        self.url = url.rstrip("/")
        timeout = httpx.Timeout(config.COPY_SILENCE_S, connect=config.COPY_CONNECT_TIMEOUT_S)
        self._http = httpx.AsyncClient(
            verify=verify, timeout=timeout, trust_env=False,
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "zstd"},
        )  # fmt: skip

    async def close(self) -> None:
        await self._http.aclose()

    async def holds(self, cursor: Cursor, row_hash: bytes | None) -> int | None:
        """The journal's epoch where it holds the version at ``cursor``; None where it does not."""
        try:
            answer = await self._http.head(self.url + "/feed", params=_asked(cursor, row_hash, 0))
        except httpx.HTTPError as error:
            raise Unavailable(f"the journal at {self.url} does not answer: {type(error).__name__}") from error
        if answer.status_code == Conflict.status:
            return None
        self._require(answer)
        return _epoch(answer)

    async def units(self, named: Sequence[str]) -> dict[str, str]:
        """The Organization ids of these HSA-ids; what the journal knows no unit of is not among them."""
        try:
            answer = await self._http.get(self.url + "/feed/units", params={"unit": ",".join(named)})
        except httpx.HTTPError as error:
            raise Unavailable(f"the journal at {self.url} does not answer: {type(error).__name__}") from error
        self._require(answer)
        try:
            return {str(hsa): str(id_) for hsa, id_ in answer.json()["units"].items()}
        except (ValueError, KeyError, AttributeError) as error:
            raise Broken("what answers at the journal's address is no journal", help="look at the address") from error

    @asynccontextmanager
    async def read(self, cursor: Cursor | None, row_hash: bytes | None, wait_s: float) -> AsyncIterator[Answer]:
        """One answer of the feed. Conflict: the journal does not hold the version at ``cursor``."""
        async with self.ask("/feed", _asked(cursor, row_hash, wait_s)) as answer:
            yield answer

    @asynccontextmanager
    async def ask(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[Answer]:
        """One answer of a feed."""
        asked_ns = boottime_ns()
        try:
            async with self._http.stream("GET", self.url + path, params=parameters) as answer:
                self._require(answer)
                horizon = answer.headers.get("vaka-horizon", "")
                horizon_xid = int(horizon) if horizon.isdecimal() and len(horizon) < 20 else None
                yield Answer(_epoch(answer), _lines(answer), asked_ns, _began_us(answer), horizon_xid)
        except httpx.HTTPError as error:
            raise Unavailable(f"the journal at {self.url} does not answer: {type(error).__name__}") from error

    def _require(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status == httpx.codes.OK:
            return
        if status == Conflict.status:
            raise Conflict("the journal does not hold the version at this copy's cursor")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Forbidden(
                f"the journal at {self.url} refuses this copy ({status})",
                help="give it a token with the scope feed: vaka token --system NAME --scope feed",
            )
        raise Unavailable(f"the journal at {self.url} answers {status}")


def _asked(cursor: Cursor | None, row_hash: bytes | None, wait_s: float) -> dict[str, str]:
    asked = {"wait": str(wait_s)} if wait_s else {}
    if cursor is not None and cursor.seq:
        asked["after"] = str(cursor)
        if row_hash is not None:
            asked["hash"] = row_hash.hex()
    return asked


def _epoch(answer: httpx.Response) -> int:
    text = answer.headers.get("vaka-epoch", "")
    if not text.isdecimal() or len(text) > 9:
        raise Broken("what answers at the journal's address is no journal", help="look at the address")
    return int(text)


def _began_us(answer: httpx.Response) -> int | None:
    text = answer.headers.get("vaka-began")
    try:
        return clock_us(text) if text is not None else None
    except ValueError as error:
        raise Broken("what answers at the journal's address is no journal", help="look at the address") from error


async def _lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    cut = Lines()
    coded = answer.headers.get("content-encoding", "identity").strip().lower()
    if coded not in ("zstd", "identity"):
        raise Broken(f"the journal answers in the coding {coded[:20]}")
    decoder = zstandard.ZstdDecompressor().decompressobj() if coded == "zstd" else None
    try:
        async with aclosing(answer.aiter_raw()) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                for start in range(0, len(chunk), config.COPY_DECOMPRESS_BYTES) if decoder else (0,):
                    part = chunk[start : start + config.COPY_DECOMPRESS_BYTES] if decoder else chunk
                    for line in cut.feed(decoder.decompress(part) if decoder else part):
                        yield line
                if decoder and decoder.eof:
                    return
    except zstandard.ZstdError as error:
        raise Broken("the journal's answer is not what it says it is") from error
