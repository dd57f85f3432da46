"""The journal, as the reserve asks it: whether it commits, to take an entry, and which number this copy has.

Invariant: what is not an answer of the journal to this entry is ``Away``: nothing is known then, and it is asked again with
the same key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import orjson

from vaka import config
from vaka.copy.reserve.entry import Base, Entry, Part, State, wire
from vaka.copy.reserve.lost import entry_id

_ANSWER_MAX_S: Final = config.WRITE_TIMEOUT_S + 5
_PENDING_MATCH: Final = re.compile(rb'("ifMatch"\s*:\s*)"W/\\"r-[0-9a-f-]{36}\\""')
"""A pending version that an entry of a transaction names: the journal knows none, and looks at the entry's base in its place."""
_OUTCOMES: Final[Mapping[str, State]] = {"done": State.DONE, "task": State.TASK, "refused": State.REFUSED}


class Away(Exception):
    """The journal did not say what has become of an entry. ``fault``: it failed on it (500)."""

    def __init__(self, why: str, *, fault: bool = False) -> None:
        super().__init__(why)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the journal says has become of an entry."""

    state: State
    reason: str
    result: Mapping[str, Any]


class JournalClient:
    """``token``: gives this copy's own, with the scope ``reserve``; ``verify``: as httpx takes it."""

    def __init__(self, url: str, token: Callable[[], str], *, verify: Any = True) -> None:
        self._token = token
        self._client = httpx.AsyncClient(base_url=url, verify=verify, timeout=httpx.Timeout(_ANSWER_MAX_S, connect=2.0))

    async def close(self) -> None:
        await self._client.aclose()

    async def commits(self) -> bool:
        """Whether it makes a real commit now, read back."""
        try:
            answer = await self._client.get("/ready", timeout=config.RESERVE_TRY_S)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def take(self, entry: Entry) -> Outcome:
        """Hands ``entry`` over, its bases resolved. Away where it is not known what has become of it."""
        told = await self._post("/reserve", wire(entry))
        state = _OUTCOMES.get(str(told.get("outcome")))
        if state is None:
            raise Away("an answer that is none")
        reason = str(told.get("message") or "")
        if told.get("help"):
            reason = f"{reason}; {told['help']}"
        return Outcome(state, reason, told)

    async def number(self, copy: str) -> int:
        """This copy's number for reserve numbers."""
        return int((await self._post("/reserve/number", orjson.dumps({"copy": copy})))["number"])

    async def _post(self, path: str, content: bytes) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        try:
            answer = await self._client.post(path, content=content, headers=headers)
            told = orjson.loads(answer.content) if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            raise Away(type(error).__name__) from error
        if not isinstance(told, dict):
            raise Away(f"HTTP {answer.status_code}", fault=answer.status_code == 500)
        return told


def resolved(entry: Entry, made: Callable[[str, str], str | None]) -> Entry:
    """``entry`` as it is handed over: a change that was made on another entry, or on a version that was lost and given back,
    names what that became. ``made``: (entry id, ``Type/id``) → its version id in the journal, None where it never came to be,
    which conflicts with whatever stands."""

    def on(part: Part) -> Part:
        if part.base is None:
            return part
        if part.base.entry is None:
            lost = entry_id(part.type, part.id, part.base.version_id or "", part.base.hash or "")
            now = made(lost, part.name)
            return part if now is None else replace(part, base=Base(now, part.base.hash, lost))
        return replace(part, base=Base(made(part.base.entry, part.name) or "", part.base.hash, part.base.entry))

    parts = tuple(map(on, entry.parts))
    headers = dict(entry.headers)
    base = parts[0].base if parts else None
    if base is not None and base.entry is not None and headers.get("if-match", "*") != "*":
        headers["if-match"] = f'W/"{base.version_id or 0}"'
    body = entry.body
    if any(part.base is not None and part.base.entry is not None for part in parts):
        body = _PENDING_MATCH.sub(rb'\1"*"', body)
    return replace(entry, parts=parts, headers=headers, body=body)
