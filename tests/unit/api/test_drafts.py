"""What /drafts answers, and what a write that sends a draft is held to."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import apsw
import orjson
import pytest
from tests.unit.copy.sheet.record import person

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.session import Right
from vaka.api.http import Request, Response
from vaka.api.reserve import drafts
from vaka.api.usage import TooMany
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Conflict, Forbidden, Invalid, NotAllowed, NotFound, TooLarge, VakaError

SAME = {"p1": ("p1", "old"), "old": ("p1", "old")}
SERVER = cast(
    Any, SimpleNamespace(store=SimpleNamespace(same=lambda id_: SAME.get(id_, (id_,)), resolve=lambda id_: SAME.get(id_, (id_,))[0]))
)  # fmt: skip
D, A, B = (str(uuid.UUID(int=number)) for number in (1, 2, 3))


class Own:
    """The drafts of one copy, asked by one person."""

    def __init__(self, path: Path) -> None:
        self.store = ReserveStore(apsw.Connection(str(path)), "a")

    def ask(self, method: str, path: str, body: Any = None, *, by: AccessFilter | None = None) -> Response:
        address, _, query = path.partition("?")
        pairs = [cast(tuple[str, str], tuple(one.split("=", 1))) for one in query.split("&") if one]
        content = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        access = person() if by is None else by
        request = Request(method, tuple(address.strip("/").split("/")), pairs, {}, "http://copy/fhir", content, access)
        return asyncio.run(drafts.answer(SERVER, self.store, "Site", request))

    def save(
        self,
        branch: str = A,
        number: int = 1,
        content: Any = "typed",
        *,
        id_: str = D,
        patient: str = "p1",
        **more: Any,
    ) -> Any:
        body = {"number": number, "form": "note", "content": content, **more}
        return orjson.loads(self.ask("PUT", f"/drafts/{id_}/{branch}?patient={patient}", body).body)

    def whole(self, patient: str = "p1", by: AccessFilter | None = None) -> Any:
        return orjson.loads(self.ask("GET", f"/drafts/{D}?patient={patient}", by=by).body)

    def listed(self, query: str = "", by: AccessFilter | None = None) -> list[Any]:
        return list(orjson.loads(self.ask("GET", f"/drafts{query}", by=by).body)["drafts"])

    def send(
        self, body: Any, *, save: str = f"{D}/{A}/1", key: str | None = None, by: AccessFilter | None = None
    ) -> Request:
        headers = {"vaka-draft": save} | ({"idempotency-key": key} if key is not None else {})
        access = by or person()
        request = Request("POST", ("fhir", "Composition"), [], headers, "http://copy/fhir", orjson.dumps(body), access)

        async def work() -> None:
            sending = await drafts.sending(SERVER, self.store, request)
            await drafts.sent(self.store, request, sending)

        asyncio.run(work())
        return request


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path / "a.db")


def note(patient: str = "p1") -> dict[str, Any]:
    return {"resourceType": "Composition", "subject": {"reference": f"Patient/{patient}"}}


def test_what_was_typed_comes_back_as_it_was(own: Own) -> None:
    """Would break S19: a dose of 72.50 comes back as another text, or a list of drafts tells all that was typed."""
    own.ask(
        "PUT",
        f"/drafts/{D}/{A}?patient=p1",
        b'{"number": 1, "form": "dose", "content": {"dose": 72.50, "text": "\xc3\xa5"}}',
    )
    assert b'"content":{"dose":72.50,"text":"\xc3\xa5"}' in own.ask("GET", f"/drafts/{D}?patient=p1").body
    (listed,) = own.listed()
    assert (listed["id"], listed["patient"], listed["texts"][0]["form"]) == (D, "p1", "dose")
    assert "content" not in listed["texts"][0] and "sent" not in listed


def test_saves_of_one_form_and_of_two(own: Own) -> None:
    """Would break: autosaves pile up; or one that goes on elsewhere leaves the old text standing, or drops another's."""
    own.save(number=1)
    own.save(number=2, content="more")
    assert own.save(number=2, content="more") == own.save(number=2, content="more"), "sent again"
    assert [one["content"] for one in own.whole()["texts"]] == ["more"]
    with pytest.raises(Conflict):
        own.save(number=1, content="late")
    own.save(B, 1, "elsewhere", continues={A: 2})
    assert [one["content"] for one in own.whole()["texts"]] == ["elsewhere"]
    own.save(A, 3, "typed on here")
    assert {one["content"] for one in own.whole()["texts"]} == {"elsewhere", "typed on here"}
    own.save(A, 3, "under the same number")
    assert len(own.whole()["texts"]) == 3


def test_a_draft_is_bound_to_its_patient(own: Own) -> None:
    """Would break S5: what was typed of one patient is opened, saved or sent in another's record."""
    own.save()
    for ask in (
        lambda: own.whole("p2"), lambda: own.save(number=2, patient="p2"), lambda: own.send(note("p2")),
        lambda: own.ask("DELETE", f"/drafts/{D}/{A}?patient=p2&number=1"),
    ):  # fmt: skip
        with pytest.raises(Conflict):
            ask()
    assert own.listed("?patient=p2") == []
    assert own.whole("old")["texts"], "its record goes on under another id"
    assert own.save(number=2, patient="old")["patient"] == "p1"
    assert len(own.listed("?patient=old")) == 1
    with pytest.raises(Invalid):
        own.ask("GET", f"/drafts/{D}")


def test_nobody_else_sees_it(own: Own) -> None:
    """Would break: a colleague reads, throws away, or sends what one has not sent."""
    own.save()
    other = AccessFilter("person:P2", session=person().session)
    elsewhere = person(provider="v2")
    for by in (other, elsewhere):
        assert own.listed(by=by) == []
        with pytest.raises(NotFound):
            own.whole(by=by)
        with pytest.raises(NotFound):
            own.ask("DELETE", f"/drafts/{D}/{A}?patient=p1&number=1", by=by)
        own.send(note(), by=by)
    assert own.whole()["texts"], "what another sends under the same id is another's"
    program = AccessFilter("laboratory")
    with pytest.raises(Forbidden):
        own.listed(by=program)
    with pytest.raises(Forbidden):
        own.ask("PUT", f"/drafts/{D}/{A}?patient=p1", {}, by=person(rights=[Right.READ]))


def test_sending_and_throwing_away(own: Own) -> None:
    """Would break: a draft stays when it is sent, and is sent again (S12); or what was typed since goes with it."""
    own.save()
    own.save(B, 1, "another")
    request = own.send(note())
    assert request.headers["idempotency-key"] == D, "the journal does it once"
    told = own.whole()
    assert [one["content"] for one in told["texts"]] == ["another"]
    assert "sent" in told, "whoever reads what is left sees that something of it was sent"
    with pytest.raises(Conflict):
        own.save(number=1)
    assert own.ask("DELETE", f"/drafts/{D}/{B}?patient=p1&number=1").status == 204
    assert own.listed() == []
    with pytest.raises(NotFound):
        own.whole()
    own.send(note(), key=D)
    with pytest.raises(Invalid):
        own.send(note(), key="another")


def test_what_is_too_much_is_said(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: drafts fill the disk that the reserve needs; or what was typed last is dropped without a word."""
    with pytest.raises(TooLarge):
        own.save(content="x" * config.DRAFT_MAX_BYTES)
    with pytest.raises(TooLarge):
        own.save(content="x" * 10 * config.DRAFT_MAX_BYTES)
    monkeypatch.setattr(config, "DRAFTS_MAX", 2)
    own.save()
    own.save(id_=B)
    with pytest.raises(TooMany) as found:
        own.save(id_=A)
    assert (found.value.status, found.value.help is not None) == (429, True)
    own.save(number=2)  # in the place of what stands
    assert len(own.listed()) == 2
    monkeypatch.setattr(config, "DRAFT_BRANCHES_MAX", 1)
    with pytest.raises(TooMany):
        own.save(B, 1, continues={A: 2})


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        (f"/drafts/x/{A}?patient=p1", {}, Invalid),
        (f"/drafts/{D}/x?patient=p1", {}, Invalid),
        (f"/drafts/{D}/{A}?patient=../x", {}, Invalid),
        (f"/drafts/{D}/{A}", {}, Invalid),
        (f"/drafts/{D}/{A}?patient=p1", b"{", Invalid),
        (f"/drafts/{D}/{A}?patient=p1", [], Invalid),
        (f"/drafts/{D}/{A}?patient=p1", {"number": 0, "form": "note", "content": 1}, Invalid),
        (f"/drafts/{D}/{A}?patient=p1", {"number": True, "form": "note", "content": 1}, Invalid),
        (f"/drafts/{D}/{A}?patient=p1", {"number": 1, "form": "no spaces", "content": 1}, Invalid),
        (f"/drafts/{D}/{A}?patient=p1", {"number": 1, "form": "note"}, Invalid),
        (f"/drafts/{D}/{A}?patient=p1", {"number": 1, "form": "note", "content": 1, "continues": {"x": 1}}, Invalid),
        (f"/drafts/{D}/{A}?patient=p1", {"number": 1, "form": "note", "content": 1, "continues": []}, Invalid),
        (f"/drafts/{D}?patient=p1", {}, NotAllowed),
        ("/drafts", {}, NotAllowed),
    ],
)
def test_what_is_no_save(own: Own, path: str, body: Any, kind: type[VakaError]) -> None:
    """Would break: nonsense is kept, or fails without saying what to do."""
    with pytest.raises(kind) as found:
        own.ask("PUT", path, body)
    assert found.value.message
    assert own.listed() == []
