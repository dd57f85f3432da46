"""The follower's control socket: JSON lines over a unix socket that only this copy's user may open.

``{"wait": "EPOCH.XID.SEQ", "ms": 300}``, ``{"apply": {"reserve": N}}``, ``{"status": true}``, and the decisions of persons,
each with ``name`` and ``reason``: ``freeze``, ``release`` (what a person or the brake holds), ``anew`` (begin from another
journal's beginning), ``trust``. An error is answered as ``{"error": "...", "help": "..."}``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from vaka import config, log
from vaka.errors import Invalid, VakaError

Handler: TypeAlias = Callable[[Any, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the word's value and the whole line."""


class Control:
    """Listens at ``path`` with these words."""

    def __init__(self, path: Path, words: Mapping[str, Handler]) -> None:
        self._path = path
        self._words = words
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self._path), limit=config.COPY_CONTROL_LINE_BYTES
            )
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while line := await reader.readline():
                writer.write(orjson.dumps(await self._answer(line), option=orjson.OPT_APPEND_NEWLINE))
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.IncompleteReadError):  # who asked has gone, or sends no lines
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            told = orjson.loads(line)
            word = next((word for word in told if word in self._words), None) if isinstance(told, dict) else None
            if word is None:
                raise Invalid("the follower knows no such word", help=f"it knows {', '.join(self._words)}")
            return await self._words[word](told[word], told)
        except orjson.JSONDecodeError:
            return {"error": "not a line of JSON"}
        except VakaError as error:
            return {"error": error.message, "help": error.help}
        except Exception as error:
            log.error("fault at the control socket", exception=error)
            return {"error": "a fault of ours; it is in the follower's log"}


async def ask(path: Path, told: Mapping[str, Any], timeout_s: float = 5.0) -> Mapping[str, Any]:
    """Asks the follower behind ``path`` one thing."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_unix_connection(str(path), limit=config.COPY_CONTROL_LINE_BYTES)
        try:
            writer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
            await writer.drain()
            answer: Mapping[str, Any] = orjson.loads(await reader.readline())
            return answer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
