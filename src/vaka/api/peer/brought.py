"""``POST /peer/own``: what people did on a copy, brought to the journal: sessions that began, were renewed or ended, openings.

What matters carries the signed session that it was done in, which is verified as of that time: a copy's own word opens nothing
and ends nobody's session. Invariants: brought twice, an item is one; it is told as done once it is committed; what is refused is
told with the reason, for the copy to keep and show.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import psycopg

from vaka import config, log
from vaka.access.decision import What
from vaka.access.session import Purpose, Right, Session
from vaka.api.interactions.opening import HOURS, RIGHTS
from vaka.api.server import Server
from vaka.errors import Busy, Forbidden, Invalid, NotFound, VakaError
from vaka.journal.statements import statements

_SECOND_US: Final = 1_000_000
_SKEW_US: Final = config.CLOCK_SKEW_S * _SECOND_US
_REASON_MAX_CHARS: Final = 2 * config.REASON_MAX_CHARS + 10
Item = Mapping[str, Any]


async def own(server: Server, copy: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Which items are done, and which are refused, with why. Busy, with nothing told, where the database is away."""
    items = told.get("items")
    if not isinstance(items, list) or len(items) > config.OWED_BATCH:
        raise Invalid(f"items is a list of at most {config.OWED_BATCH}", path="items")
    done, refused = [], []
    for item in items:
        try:
            await _DOES[item["what"]](server, item)
            done.append(item["id"])
        except Busy:
            raise
        except (VakaError, KeyError, TypeError, ValueError, psycopg.DataError) as error:
            reason = f"{error.message}: {error.why}" if isinstance(error, VakaError) and error.why else str(error)
            id_ = item.get("id") if isinstance(item, dict) else None
            log.warning(
                "brought by a copy and refused", copy=copy, item=id_, kind=type(error).__name__, why=reason[:200]
            )
            refused.append({"id": id_, "reason": reason[:300]})
    return {"done": done, "refused": refused}


async def _run(server: Server, name: str, **values: Any) -> list[tuple[Any, ...]]:
    async with server.journal.pool.connection() as connection:
        cursor = await connection.execute(statements("copies")[name], values)
        return await cursor.fetchall() if cursor.description is not None else []


async def _session(server: Server, item: Item, right: Right | None = None) -> Session:
    """The session in which an item was done. Unauthenticated; Forbidden where a copy made it without the person's ``right``."""
    at_us = int(item["at_us"])
    if at_us > time.time_ns() // 1_000 + _SKEW_US:
        raise Invalid("it is said to have been done in the future", path="at_us")
    callers = server.callers
    session, vouched = callers.sessions.verify_at(str(item["token"]), at_us)
    if vouched is not None:
        await callers.prove(session, vouched)
        rights = await callers.people.offered(session)
        if right is not None and (rights is None or right not in rights):
            raise Forbidden("the record does not give this person the right", why=f"{session.person}: {right}")
    return session


async def _began(server: Server, item: Item) -> None:
    session, at = await _session(server, item), item["came"]
    told = {
        "person": session.person, "way": session.way, "source": str(at["source"])[:64], "device": str(at["device"])[:64],
        "began_us": session.began_us,
    }  # fmt: skip
    place = session.assignment
    await _run(
        server, "session_brought", session=session.id, unit=place.unit, title=place.title, at_us=int(item["at_us"]),
        until_us=session.expires_us, **told,
    )  # fmt: skip
    async with server.journal.pool.connection() as connection:
        await connection.execute(statements("people")["logged_in"], told)


async def _renewed(server: Server, item: Item) -> None:
    """Shown to the person, nothing else: no proof is asked for."""
    await _run(
        server, "renewal_brought", session=str(item["session"]), person=str(item["person"]), used_us=int(item["at_us"]),
        until_us=int(item["until_us"]), most_us=config.SESSION_MAX_S * _SECOND_US,
    )  # fmt: skip


async def _ended(server: Server, item: Item) -> None:
    session = await _session(server, item)
    at_us = int(item["at_us"])
    await _run(
        server, "revocation_brought", session=session.id, person=session.person, at_us=at_us,
        until_us=at_us + config.SESSION_MAX_S * _SECOND_US + _SKEW_US, reason=str(item["reason"])[:100],
    )  # fmt: skip


async def _signed(server: Server, item: Item) -> None:
    await _run(
        server, "signs_brought", credential=bytes.fromhex(item["credential"]), signs=int(item["signs"]),
        at_us=int(item["at_us"]),
    )  # fmt: skip


async def _opened(server: Server, item: Item) -> None:
    what = What(int(item["sort"]))
    right = RIGHTS.get(what, Right.READ)
    session = await _session(server, item, right)
    place, opened_us, until_us = session.assignment, int(item["at_us"]), int(item["until_us"])
    if place.purpose is not Purpose.CARE or not (session.may(Right.READ) and session.may(right)):
        raise Forbidden("this assignment does not open this", why=f"{session.person}: {place.purpose}, {right}")
    if what is What.INCAPACITY and not server.settings.incapacity_stands_for_consent:
        raise Forbidden("this region has not settled that incapacity stands for consent")
    if not opened_us < until_us <= opened_us + HOURS[what] * 3_600 * _SECOND_US + _SKEW_US:
        raise Invalid("an opening does not last so long", path="until_us")
    opening = str(uuid.UUID(item["opening"]))
    await _run(
        server, "opening_brought", opening=opening, patient=int(item["patient"]), person=session.person, unit=place.unit,
        provider=place.provider, what=int(what), target=item["target"], reason=str(item["reason"])[:_REASON_MAX_CHARS],
        session=session.id, opened_us=opened_us, until_us=until_us,
    )  # fmt: skip
    if not (await _run(server, "opening_is_there", opening=opening, person=session.person))[0][0]:
        raise NotFound("there is no such patient here, or the opening is another person's")


async def _closed(server: Server, item: Item) -> None:
    session = await _session(server, item)
    await _run(
        server, "closing_brought", opening=str(uuid.UUID(item["opening"])), person=session.person,
        closed_us=int(item["at_us"]),
    )  # fmt: skip


_DOES: Final[Mapping[str, Callable[[Server, Item], Awaitable[None]]]] = {
    "began": _began, "renewed": _renewed, "ended": _ended, "signed": _signed, "opened": _opened, "closed": _closed,
}  # fmt: skip
