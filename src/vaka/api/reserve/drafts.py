"""/drafts on a copy: what a person has typed and not sent yet (S19, S5; decision 0018).

- ``GET /drafts[?patient=ID]``: one's own, without what was typed.
- ``GET /drafts/[id]?patient=ID``: one, whole.
- ``PUT /drafts/[id]/[branch]?patient=ID``: a save: ``{"number": 3, "form": "note", "content": …, "continues": {"branch": 2}}``.
- ``DELETE /drafts/[id]/[branch]?patient=ID&number=3``: throws away what was typed in a branch up to a save.
- A write with ``Vaka-Draft: id/branch/number`` sends it: under the draft's id as Idempotency-Key, and the text leaves the drafts
  once the record or the reserve has the write.

Invariants: nobody sees another's draft, nor one's own for another care provider; a draft is opened, saved and sent with its
patient alone; what was sent is sent once, whichever copies it was typed on.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import apsw
import orjson

from vaka import config, log
from vaka.access.session import Right
from vaka.api.asked import require_right
from vaka.api.callers import caller
from vaka.api.door.door import DRAFT
from vaka.api.http import Request, Response, require_json_answer, require_json_body
from vaka.api.reserve.of_copies import told_lines
from vaka.api.server import Server, check_id
from vaka.api.usage import TooMany
from vaka.copy.reserve.draft import Draft, Text, ended, from_wire, is_over, saved
from vaka.copy.reserve.drafts import Drafts, Whose, kept_until_us
from vaka.errors import Conflict, Forbidden, Invalid, NotAllowed, NotFound, TooLarge
from vaka.fhir import exact
from vaka.fhir.keys import resource_key
from vaka.fhir.parse import parse_json
from vaka.store.version import instant

if TYPE_CHECKING:
    from vaka.copy.reserve.store import ReserveStore

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_FORM: Final = re.compile(r"[A-Za-z0-9._/-]{1,100}", re.ASCII)
_ROUND_BYTES: Final = 4 * 1024
"""What a save is told in beside what was typed."""


@dataclass(frozen=True, slots=True)
class Save:
    """One save: the address of what was typed."""

    draft: str
    branch: str
    number: int


async def answer(server: Server, store: ReserveStore, site: str, request: Request) -> Response:
    """What is asked of one's own drafts. ``site``: name of this copy."""
    if request.method != "PUT":  # that one saves what one types, every few seconds, is no access
        request.access.trail.activity = "drafts"
    require_json_answer(request)
    drafts, whose = store.drafts, _whose(request)
    match (request.method, *request.path[1:]):
        case ("GET",):
            return await _listed(server, drafts, whose, request)
        case ("GET", id_):
            return _told(await _bound(server, drafts, whose, _uuid(id_), _patient(request)), whole=True)
        case ("PUT", id_, branch):
            require_right(request, Right.WRITE)
            return await _saved(server, drafts, whose, site, request, _uuid(id_), _uuid(branch))
        case ("DELETE", id_, branch):
            number = _number(request.option("number"))
            known = await _bound(server, drafts, whose, _uuid(id_), _patient(request))
            await _end(drafts, known, Save(known.id, _uuid(branch), number), sent=False)
            return Response(204, b"")
    raise NotAllowed("a draft is read by GET, saved by PUT, thrown away by DELETE")


async def _listed(server: Server, drafts: Drafts, whose: Whose, request: Request) -> Response:
    found = await asyncio.to_thread(drafts.of, whose)
    if (patient := request.option("patient")) is not None:
        same = set(server.store.same(_checked(request, patient)))
        found = [one for one in found if one.patient in same]
    return _json({"drafts": [_shown(one, whole=False) for one in found]})


async def _saved(
    server: Server, drafts: Drafts, whose: Whose, site: str, request: Request, id_: str, branch: str
) -> Response:
    patient = _patient(request)
    require_json_body(request)
    body = await request.body(config.DRAFT_MAX_BYTES + _ROUND_BYTES)
    said = parse_json(body)
    number, form, continues = _number(said.get("number")), said.get("form"), _continues(said.get("continues", {}))
    if not isinstance(form, str) or not _FORM.fullmatch(form):
        raise Invalid("form says which form was filled in", path="form", help="1 to 100 letters, digits and . _ / -")
    if "content" not in said:
        raise Invalid("content is missing", path="content", help="send what was typed, as any JSON")
    content = exact.dumps(exact.loads(body)["content"])
    if len(content) > config.DRAFT_MAX_BYTES:
        raise _too_large()
    known = await asyncio.to_thread(drafts.get, whose, id_)
    home = _home(server, known, patient) or patient
    text = Text(branch, number, content, form, time.time_ns() // 1_000, site)

    def work(draft: Draft) -> Draft:
        if any((one.branch, one.number, one.content) == (branch, number, content) for one in draft.texts):
            return draft  # sent again
        if is_over(draft, branch, number):
            raise Conflict(
                "a later save of this branch stands, or it was sent or thrown away",
                help="nothing was changed. Save what was typed under a branch of its own, or read the draft first",
            )
        now = saved(draft, text, continues)
        if len(now.past) > config.DRAFT_BRANCHES_MAX:
            raise TooMany(
                "this draft was opened too often", help="save what was typed as a new draft", retry_after_s=3600
            )
        if len(now.texts) > len(draft.texts) and drafts.texts(whose) >= config.DRAFTS_MAX:
            raise TooMany(
                f"you have {config.DRAFTS_MAX} drafts already", retry_after_s=60,
                help="send or throw away some of them (GET /drafts), and save again: keep the page open until then",
            )  # fmt: skip
        return now

    return _told(await asyncio.to_thread(drafts.change, whose, id_, home, work), whole=False)


async def sending(server: Server, store: ReserveStore, request: Request) -> Save:
    """Which draft a write sends. It goes under the draft's id as its key from now on. Conflict for another patient's (S5)."""
    from vaka.api.reserve.accept import patients_of

    save = _header(request.header(DRAFT) or "")
    key = request.header("idempotency-key")
    if key not in (None, save.draft):
        raise Invalid("a draft is sent under its own id", help="leave Idempotency-Key out: the draft's id is used")
    if request.access.session is None:
        request.access = await caller(server, request)
    whose = _whose(request)
    request.headers = {**request.headers, "idempotency-key": save.draft}
    await request.keep()
    named = {server.store.resolve(one) for one in patients_of(await request.body())}
    known = await asyncio.to_thread(store.drafts.get, whose, save.draft)
    bound = {server.store.resolve(one.patient) for one in known}
    if bound and not named <= bound:
        raise _other_patient()
    return save


async def sent(store: ReserveStore, request: Request, save: Save) -> None:
    """What was typed has reached the record, or the reserve."""
    try:
        for known in await asyncio.to_thread(store.drafts.get, _whose(request), save.draft):
            await _end(store.drafts, known, save, sent=True)
    except apsw.Error as error:  # the write is done, and its key does it no second time: the text stays where it is
        log.warning("draft not taken away", draft=save.draft, kind=type(error).__name__)


async def hold(store: ReserveStore, request: Request) -> Response:
    """POST /peer/drafts: what another copy knows of drafts, as lines of NDJSON. 200 once all are durable."""
    lines = await told_lines(request, "drafts", "drafts", config.DRAFT_EXCHANGE_MAX)
    for heard in [from_wire(line) for line in lines]:
        await asyncio.to_thread(store.drafts.hold, heard)
    return _json({"held": len(lines)})


async def _end(drafts: Drafts, known: Draft, save: Save, *, sent: bool) -> None:
    whose, at_us = Whose(known.person, known.provider), time.time_ns() // 1_000
    await asyncio.to_thread(
        drafts.change, whose, known.id, known.patient,
        lambda draft: ended(draft, save.branch, save.number, at_us, sent=sent),
    )  # fmt: skip


async def _bound(server: Server, drafts: Drafts, whose: Whose, id_: str, patient: str) -> Draft:
    """One's own draft of this id, opened with its patient. NotFound; Conflict for another patient's."""
    known = [one for one in await asyncio.to_thread(drafts.get, whose, id_) if one.texts]
    home = _home(server, known, patient)
    if home is None:
        raise NotFound(f"you have no draft {id_}", help="it was sent or thrown away, or it is another person's")
    return next(one for one in known if one.patient == home)


def _home(server: Server, known: list[Draft], patient: str) -> str | None:
    """The Patient whom ``known`` is bound to, as it was then: merged meanwhile or not. None where there is none. Conflict where
    it is another patient's."""
    if not known:
        return None
    same = set(server.store.same(patient))
    found = next((one.patient for one in known if one.patient in same), None)
    if found is None:
        raise _other_patient()
    return found


def _other_patient() -> Conflict:
    return Conflict(
        "this draft is another patient's", help="open that patient first", why="S5: draft of another patient"
    )


def _too_large() -> TooLarge:
    return TooLarge(
        f"a draft holds at most {config.DRAFT_MAX_BYTES // 1024} kB", help="send a part of it, and go on in a new one"
    )


def _whose(request: Request) -> Whose:
    session = request.access.session
    if session is None:
        raise Forbidden("only a person has drafts", help="log in, and choose an assignment", why="a program asked")
    return Whose(request.access.principal, session.assignment.provider)


def _uuid(text: str) -> str:
    if _UUID.fullmatch(text) is None:
        raise Invalid(
            f"{text[:60]} is no UUID", help="the page makes one for each draft, and for each form that it opens"
        )
    return text


def _number(said: Any) -> int:
    text = str(said) if isinstance(said, str | int) and not isinstance(said, bool) else ""
    if _NUMBER.fullmatch(text) is None:
        raise Invalid("number says which save of its branch this is", path="number", help="count from 1")
    return int(text)


def _continues(said: Any) -> Mapping[str, int]:
    if not isinstance(said, dict) or len(said) > config.DRAFT_BRANCHES_MAX:
        raise Invalid("continues names branches, each with the number of a save", path="continues")
    return {_uuid(str(branch)): _number(number) for branch, number in said.items()}


def _header(text: str) -> Save:
    draft, _, rest = text.partition("/")
    branch, _, number = rest.partition("/")
    return Save(_uuid(draft), _uuid(branch), _number(number))


def _patient(request: Request) -> str:
    patient = request.option("patient")
    if patient is None:
        raise Invalid("patient says whose form is open", path="patient", help="add ?patient=[id]")
    return _checked(request, patient)


def _checked(request: Request, patient: str) -> str:
    check_id(patient)
    request.access.trail.patient = resource_key("Patient", patient)
    return patient


def _told(draft: Draft, *, whole: bool) -> Response:
    return _json(_shown(draft, whole=whole))


def _shown(draft: Draft, *, whole: bool) -> dict[str, Any]:
    texts = [
        {
            "branch": one.branch, "number": one.number, "form": one.form, "saved": instant(one.saved_us), "site": one.site,
            "bytes": len(one.content),
        }
        | ({"content": orjson.Fragment(one.content)} if whole else {})
        for one in sorted(draft.texts, key=lambda each: each.saved_us)
    ]  # fmt: skip
    made: dict[str, Any] = {
        "id": draft.id, "patient": draft.patient, "until": instant(kept_until_us(draft)), "texts": texts,
    }  # fmt: skip
    return made if draft.sent_us is None else made | {"sent": instant(draft.sent_us)}


def _json(told: Mapping[str, Any]) -> Response:
    return Response(200, orjson.dumps(told), [("Cache-Control", "no-store")], content_type="application/json")
