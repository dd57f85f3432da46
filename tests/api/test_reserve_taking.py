"""Taking writes into the reserve, and their whole way: taken here, held by a peer, handed over to the real journal.

The copy's reserve runs in this process, on the journal's own PostgreSQL as the record that it reads; its peer is another
reserve, asked as over the wire.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import apsw
import httpx
import orjson
import pytest
from tests.api.records import Ward, acts, parameters
from tests.api.test_reserve_received import Nurse, tasks, vital
from tests.client import Api, Resource, fresh
from tests.conftest import Instance
from tests.reserving import OnJournal

from vaka import assemble
from vaka.access.filter import AccessFilter
from vaka.api.callers import Callers
from vaka.api.cookies import Proof
from vaka.api.http import Request, Response
from vaka.api.keyring import Keyring
from vaka.api.people import People
from vaka.api.reserve.accept import Reserving, Single
from vaka.api.revocations import Revocations
from vaka.api.server import Server
from vaka.api.sessions import Sessions
from vaka.api.tokens import Tokens
from vaka.copy.reserve.entry import Entry, State, wire
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import JournalClient
from vaka.copy.reserve.mode import Forced, Left, Mode
from vaka.copy.reserve.peers import Peer, Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OnlyJournal,
    PreconditionFailed,
    Unavailable,
    Unprocessable,
    VakaError,
)
from vaka.journal.accounts import JournalAccounts
from vaka.journal.journal import Journal
from vaka.load.target import dsn_of


class Neighbour(Peers):
    """A peer in this process. ``away``: it cannot be reached."""

    def __init__(self, ours: ReserveStore, theirs: ReserveStore) -> None:
        super().__init__(ours, lambda: [Peer("copy-b", "http://nowhere")], lambda: "")
        self.theirs, self.away = theirs, False

    async def _tell(self, peer: Peer, entries: Sequence[Entry]) -> bool:
        from vaka.copy.reserve.entry import from_wire

        if not self.away:
            for one in entries:
                self.theirs.hold(from_wire(wire(one)))
        return not self.away


@dataclass
class Copy:
    """A copy's reserve over the journal in ``instance``. ``lines``: work to do with it, each on a loop of its own."""

    instance: Instance
    folder: Path
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ReserveStore(apsw.Connection(str(self.folder / "a.db")), "copy-a")
        self.theirs = ReserveStore(apsw.Connection(str(self.folder / "b.db")), "copy-b")
        self.single = Single.NOBODY
        self.away = False

    @asynccontextmanager
    async def _open(self) -> Any:
        journal = await Journal.open(dsn_of(assemble.directory(self.instance.data), None))
        accounts = JournalAccounts(journal)
        callers = Callers(
            accounts, Sessions(Keyring(self.instance.data, "session"), demo=True), Revocations(accounts), People(journal),
            Proof(b"0" * 32),
        )  # fmt: skip
        nothing = cast(Any, None)
        server = Server(
            journal, None, Tokens(Keyring(self.instance.data, "token")), nothing, nothing, callers, nothing, nothing, nothing,
            nothing,
        )  # fmt: skip
        peers = Neighbour(self.store, self.theirs)
        peers.away = self.away

        async def changed(one: Entry) -> None:
            self.shown.append(one.id)

        reserving = Reserving(self.store, peers, OnJournal(journal), "Site A", lambda: self.single, changed)
        try:
            yield server, reserving
        finally:
            await peers.close()
            await journal.close()

    def take(
        self, method: str, path: str, body: Any, token: str, *, key: str | None = None, **headers: str
    ) -> Response:
        async def work() -> Response:
            async with self._open() as (server, reserving):
                content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
                address, _, query = path.partition("?")
                given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
                request = Request(
                    method, ("fhir", *address.split("/")) if address else ("fhir",),
                    [tuple(query.split("=", 1))] if query else [],  # type: ignore[list-item]
                    {"authorization": f"Bearer {token}", **given}, "http://copy/fhir", content, AccessFilter("anonymous"),
                )  # fmt: skip
                assert reserving.takes(request)
                return cast(Response, await reserving.accept(server, request, key or uuid.uuid4().hex))

        return asyncio.run(work())

    def first(self, method: str, path: str, body: Any, **headers: str) -> bool:
        """Whether the reserve takes it before the journal is tried."""

        async def work() -> bool:
            async with self._open() as (_, reserving):
                content = b"" if body is None else orjson.dumps(body)
                return cast(bool, await reserving.first(
                    Request(method, ("fhir", *path.split("/")), [], headers, "http://copy/fhir", content, AccessFilter("anonymous"))
                ))  # fmt: skip

        return asyncio.run(work())

    def hand_over(self) -> None:
        """All that goes now."""

        async def work() -> None:
            token = self.instance.token("copy-a", frozenset({"reserve"}))
            client = JournalClient(self.instance.url, lambda: token)
            await HandOver(self.store, client).all()
            await client.close()

        asyncio.run(work())

    def states(self) -> list[State]:
        return [one.state for one in self.store.listed(list(State))]


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


@pytest.fixture
def nurse(journal: Instance, ward: Ward) -> Nurse:
    return Nurse(journal, ward)


@pytest.fixture
def copy(journal: Instance, tmp_path: Path) -> Copy:
    return Copy(journal, tmp_path)


def headers(answer: Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers}


def refused(kind: type[VakaError], take: Callable[[], Any]) -> VakaError:
    with pytest.raises(kind) as found:
        take()
    assert found.value.message
    return found.value


def test_a_note_is_taken_held_shown_and_comes_home_with_its_id(api: Api, ward: Ward, nurse: Nurse, copy: Copy) -> None:
    """Would break: what a nurse writes while the journal is away would be on one disk, unseen, or elsewhere than was said."""
    answer = copy.take("POST", "Observation", vital(ward), nurse.session)
    told = headers(answer)
    assert (answer.status, told["vaka-reserve"]) == (201, "pending; copies=2")
    resource = orjson.loads(answer.body)
    (one,) = copy.store.open()
    assert told["etag"] == f'W/"r-{one.id}"'
    assert resource["meta"]["versionId"] == f"r-{one.id}"
    assert told["location"].endswith(f"/Observation/{resource['id']}/_history/r-{one.id}")
    assert [held.id for held in copy.theirs.open()] == [one.id] == copy.shown
    assert api.get(f"/Observation/{resource['id']}").status_code == 404
    copy.hand_over()
    assert copy.states() == [State.DONE]
    assert api.get(f"/Observation/{resource['id']}").json()["status"] == "final"


def test_sent_twice_it_is_one_and_with_another_body_it_is_refused(
    api: Api, ward: Ward, nurse: Nurse, copy: Copy
) -> None:
    """Would break S14: a double click during a stop would be two doses."""
    key = uuid.uuid4().hex
    answers = [copy.take("POST", "Observation", vital(ward), nurse.session, key=key) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert headers(answers[0]) == headers(answers[1])
    assert len(copy.states()) == 1
    refused(
        Unprocessable, lambda: copy.take("POST", "Observation", vital(ward, status="amended"), nurse.session, key=key)
    )
    copy.hand_over()
    assert copy.take("POST", "Observation", vital(ward), nurse.session, key=key).body == answers[0].body
    assert len(copy.states()) == 1


def test_changes_of_what_is_pending_come_home_in_order(api: Api, ward: Ward, nurse: Nurse, copy: Copy) -> None:
    """Would break: a correction made during the stop would be lost, or meet nothing that it corrects."""
    first = orjson.loads(copy.take("POST", "Observation", vital(ward), nurse.session).body)
    name = f"Observation/{first['id']}"
    second = copy.take(
        "PUT", name, {**first, "status": "amended"}, nurse.session, if_match=f'W/"{first["meta"]["versionId"]}"'
    )  # fmt: skip
    assert second.status == 200
    refused(PreconditionFailed, lambda: copy.take(
        "PUT", name, {**first, "status": "cancelled"}, nurse.session, if_match=f'W/"{first["meta"]["versionId"]}"'
    ))  # fmt: skip
    copy.take("PATCH", name, [{"op": "replace", "path": "/status", "value": "corrected"}], nurse.session,
              content_type="application/json-patch+json")  # fmt: skip
    copy.hand_over()
    assert copy.states() == [State.DONE] * 3
    stored = api.get("/" + name).json()
    assert (stored["status"], stored["meta"]["versionId"]) == ("corrected", "3")
    assert len(acts(api, name)) == 3


def test_a_pending_version_names_what_it_has_become(api: Api, ward: Ward, nurse: Nurse, copy: Copy) -> None:
    """Would break: who opened a form in a stop, and saves it when the journal has what was written then, would be told that it has
    changed, though nobody has changed it."""
    told = copy.take("POST", "Observation", vital(ward), nurse.session)
    first, etag = orjson.loads(told.body), headers(told)["etag"]
    name = f"Observation/{first['id']}"
    early = copy.take("PUT", name, {**first, "status": "amended"}, nurse.session, key="early", if_match=etag)
    copy.hand_over()
    changed = {**first, "status": "corrected"}
    again = copy.take("PUT", name, {**first, "status": "amended"}, nurse.session, key="early", if_match=etag)
    assert headers(again)["etag"] == headers(early)["etag"], "what was sent before is known again"
    refused(PreconditionFailed, lambda: copy.take("PUT", name, changed, nurse.session, if_match=etag))
    late = copy.take("PUT", name, changed, nurse.session, if_match=headers(early)["etag"])
    assert late.status == 200
    copy.hand_over()
    assert copy.states() == [State.DONE] * 3
    assert api.get("/" + name).json()["meta"]["versionId"] == "3"


def test_signing_and_acknowledging_during_a_stop(api: Api, ward: Ward, nurse: Nurse, copy: Copy) -> None:
    """Would break S13, S17: what has to be signed or acknowledged for hours could not be, or would be of another time."""
    result = ward.result()
    note = {"resourceType": "Composition", "status": "final", "title": "Anteckning", "type": {"text": "x"}, "date": "2026-11-29",
            "author": [{"display": "N"}], **ward.owned()}  # fmt: skip
    made = orjson.loads(copy.take("POST", "Composition", note, nurse.session).body)
    signed = copy.take(
        "POST", f"Composition/{made['id']}/$sign", None, nurse.session, if_match=f'W/"{made["meta"]["versionId"]}"'
    )
    assert signed.status == 201
    assert orjson.loads(signed.body)["resourceType"] == "Provenance"
    copy.take("POST", f"DiagnosticReport/{result['id']}/$acknowledge", parameters(step__valueCode="read"), nurse.session,
              if_match='W/"1"')  # fmt: skip
    time.sleep(1.1)
    copy.hand_over()
    assert copy.states() == [State.DONE] * 3, [one.reason for one in copy.store.listed(list(State))]
    assert acts(api, f"Composition/{made['id']}") == ["written-during-stop", "sign"]
    assert acts(api, f"DiagnosticReport/{result['id']}") == ["result-read"]


def test_an_integrations_bundle_waits_for_two_machines(
    api: Api, ward: Ward, copy: Copy, journal: Instance, nurse: Nurse
) -> None:
    """Would break S15: the laboratory would believe delivered what one disk holds."""
    lab = journal.token("laboratory")
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:a6f0c5b2-6c1e-4c4e-9b51-5a3f1f1f0001", "resource": vital(ward), "request": {"method": "POST", "url": "Observation"}},
        {"resource": {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, **ward.owned(),
                      "result": [{"reference": "urn:uuid:a6f0c5b2-6c1e-4c4e-9b51-5a3f1f1f0001"}]},
         "request": {"method": "POST", "url": "DiagnosticReport"}}]}  # fmt: skip
    copy.away = True
    error = refused(Unavailable, lambda: copy.take("POST", "", body, lab, key="b1"))
    assert error.help
    assert copy.states() == [State.UNHELD]
    assert not copy.shown
    refused(Unavailable, lambda: copy.take("POST", "Observation", vital(ward), nurse.session))
    copy.single = Single.PEOPLE
    alone = copy.take("POST", "Observation", vital(ward), nurse.session)
    assert headers(alone)["vaka-reserve"] == "pending; copies=1"
    refused(Unavailable, lambda: copy.take("POST", "", body, lab, key="b1"))
    copy.away = False
    answer = copy.take("POST", "", body, lab, key="b1")
    entries = orjson.loads(answer.body)["entry"]
    assert [one["response"]["status"] for one in entries] == ["201 Created"] * 2
    copy.hand_over()
    for one in entries:
        assert api.get("/" + one["response"]["location"].partition("/_history")[0]).status_code == 200


def test_what_cannot_be_taken(api: Api, ward: Ward, nurse: Nurse, copy: Copy, journal: Instance) -> None:
    """Would break: a bad entry would be acknowledged, and nobody would be there any more when it is refused."""
    note = ward.note()
    elsewhere = Ward(api)
    cases: list[tuple[type[VakaError], str, str, Any]] = [
        (Unprocessable, "POST", "Observation", {"resourceType": "Observation", "status": "x", "code": {"text": "x"}}),
        (Invalid, "POST", "Observation", b"{"),
        (
            Unprocessable,
            "POST",
            "",
            {
                "resourceType": "Bundle",
                "type": "transaction",
                "entry": [
                    {
                        "resource": {
                            "resourceType": "Observation",
                            "status": "final",
                            "code": {"text": "x"},
                            **ward.owned(),
                            "meta": {"tag": [{"system": "urn:x-vaka:entered", "code": "from-paper"}]},
                        },
                        "request": {"method": "POST", "url": "Observation"},
                    }
                ],
            },
        ),  # without a time
        (OnlyJournal, "POST", "Observation", vital(ward) | {"subject": {"reference": "Patient/nobody"}}),
        (Forbidden, "POST", "Observation", vital(elsewhere)),
        (Forbidden, "POST", "Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}),
        (NotFound, "PUT", "Observation/nobody", {**vital(ward), "id": "nobody"}),
        (Conflict, "PUT", f"Composition/{note['id']}", {**note, "subject": {"reference": f"Patient/{ward.admit()}"}}),
        (Invalid, "PUT", f"Composition/{note['id']}", {**note, "id": "another"}),
        (PreconditionFailed, "POST", f"Composition/{note['id']}/$sign", None),
    ]
    for kind, method, path, body in cases:
        sent = {"if_match": 'W/"9"'} if path.endswith("$sign") else {}
        refused(kind, lambda m=method, p=path, b=body, s=sent: copy.take(m, p, b, nurse.session, **s))  # type: ignore[misc]
    narrow = journal.token("narrow", frozenset({"system/Patient.cruds"}))
    refused(Forbidden, lambda: copy.take("POST", "Observation", vital(ward), narrow))
    assert copy.states() == []


def test_a_blocked_unit_finds_nothing_to_change(api: Api, journal: Instance, copy: Copy) -> None:
    """Would break: a copy's reserve would tell of, or change, what is blocked."""
    here = Ward(api)
    other = api.make({"resourceType": "Organization", "partOf": {"reference": f"Organization/{here.provider}"}})["id"]
    token = journal.session(person=f"SE-{fresh()}", practitioner="n", unit=other, provider=here.provider)
    note = here.note()
    api.make({"resourceType": "Consent", "status": "active", "scope": {"text": "x"}, "category": [{"text": "x"}], "policyRule": {"text": "x"},
              "patient": {"reference": f"Patient/{here.patient}"}, "organization": [{"reference": f"Organization/{here.unit}"}],
              "provision": {"type": "deny"}})  # fmt: skip
    refused(NotFound, lambda: copy.take("PUT", f"Composition/{note['id']}", {**note, "title": "x"}, token))
    refused(NotFound, lambda: copy.take("POST", "", putting({**note, "title": "x"}), token))
    assert copy.states() == []


def putting(resource: Resource, **request: str) -> Resource:
    """A transaction with one update. ``request``: of its ``request``."""
    asked = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}", **request}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": resource, "request": asked}]}


def test_an_update_in_a_transaction_is_asked_what_one_by_itself_is(
    api: Api, ward: Ward, nurse: Nurse, copy: Copy, journal: Instance
) -> None:
    """Would break: what somebody else has changed meanwhile would be covered at every copy, though its version was named; and a
    person would be told 200 for what the journal refuses."""
    lab, note = journal.token("laboratory"), ward.note()
    stale = putting({**note, "title": "x"}, ifMatch='W/"9"')
    refused(PreconditionFailed, lambda: copy.take("POST", "", stale, nurse.session))
    refused(PreconditionFailed, lambda: copy.take("POST", "", putting(note, ifNoneMatch="*"), lab))
    refused(NotFound, lambda: copy.take("POST", "", putting({**note, "id": fresh()}), nurse.session))
    refused(NotFound, lambda: copy.take("POST", "", putting({**note, "id": fresh()}, ifMatch='W/"1"'), lab))
    assert copy.states() == []
    copy.take("POST", "", putting({**vital(ward), "id": fresh()}), lab)
    assert copy.take("POST", "", putting({**note, "title": "x"}, ifMatch='W/"1"'), nurse.session).status == 200
    (*_, pending) = copy.store.open()
    again = putting({**note, "title": "y"}, ifMatch=f'W/"{pending.version_id}"')
    copy.take("POST", "", again, nurse.session)
    copy.hand_over()
    assert copy.states() == [State.DONE] * 3, "one that was made on a pending version is no conflict"
    assert api.get(f"/Composition/{note['id']}").json()["title"] == "y"


def test_no_write_of_a_patient_passes_what_waits_of_that_patient(
    api: Api, ward: Ward, nurse: Nurse, copy: Copy
) -> None:
    """Would break S14: what changes an older entry says not whose it is, and would be in the record before what was written
    earlier of the same patient."""
    note, apart = ward.note(), ward.note(ward.admit())
    patch = [{"op": "replace", "path": "/title", "value": "x"}]
    other = ward.admit()
    assert not copy.first("PATCH", f"Composition/{note['id']}", patch)
    copy.take("POST", "Observation", vital(ward), nurse.session)
    assert copy.first("PATCH", f"Composition/{note['id']}", patch)
    assert copy.first("POST", f"Composition/{note['id']}/$sign", None)
    assert copy.first("PATCH", f"Patient/{ward.patient}", patch)
    assert copy.first("POST", "Observation", vital(ward))
    assert not copy.first("PATCH", f"Composition/{apart['id']}", patch)
    assert not copy.first("POST", "Observation", {**vital(ward), "subject": {"reference": f"Patient/{other}"}})
    copy.hand_over()
    assert not copy.first("PATCH", f"Composition/{note['id']}", patch)


def test_what_is_signed_is_corrected_and_not_overwritten(api: Api, ward: Ward, nurse: Nurse, copy: Copy) -> None:
    """Would break J1: another text would stand in the place of a signed note at every copy until the journal is back, and its author
    would hear of it days later, by a Task."""
    note = ward.note()
    at, changed = f"Composition/{note['id']}", {**note, "title": "x"}
    signing = {"Authorization": f"Bearer {nurse.session}", "If-Match": 'W/"1"'}
    assert httpx.post(f"{api.base_url}{at}/$sign", headers=signing, timeout=30).status_code == 201
    error = refused(Conflict, lambda: copy.take("PUT", at, changed, nurse.session))
    assert "$correct" in str(error.help)
    refused(Conflict, lambda: copy.take("POST", "", putting(changed), nurse.session))
    patch = [{"op": "replace", "path": "/title", "value": "x"}]
    refused(Conflict, lambda: copy.take("PATCH", at, patch, nurse.session, content_type="application/json-patch+json"))
    assert copy.states() == []
    correction = parameters(reason="wrong", resource__resource=changed)
    copy.take("POST", f"{at}/$correct", correction, nurse.session, if_match='W/"1"')
    copy.hand_over()
    assert copy.states() == [State.DONE]
    assert api.get("/" + at).json()["title"] == "x"


def test_a_dose_comes_with_the_drug_that_it_names(api: Api, ward: Ward, copy: Copy, journal: Instance) -> None:
    """Would break S13: a system that gives doses sends each with its Medication; none would be taken in a stop."""
    drug = {"resourceType": "Medication", "code": {"text": "Alvedon"}}
    dose = {"resourceType": "MedicationAdministration", "status": "completed", "effectiveDateTime": "2026-11-29T08:00:00+01:00",
            "subject": ward.owned()["subject"], "medicationReference": {"reference": "urn:uuid:a6f0c5b2-6c1e-4c4e-9b51-5a3f1f1f0002"}}  # fmt: skip
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"fullUrl": "urn:uuid:a6f0c5b2-6c1e-4c4e-9b51-5a3f1f1f0002", "resource": drug, "request": {"method": "POST", "url": "Medication"}},
        {"resource": dose, "request": {"method": "POST", "url": "MedicationAdministration"}}]}  # fmt: skip
    assert copy.take("POST", "", body, journal.token("pumps")).status == 200
    (one,) = copy.store.open()
    copy.hand_over()
    assert copy.states() == [State.DONE]
    given = api.get("/" + next(name for name in one.makes if name.startswith("MedicationAdministration"))).json()
    named = given["medicationReference"]["reference"]
    assert named in one.makes
    assert api.get("/" + named).json()["code"]["text"] == "Alvedon"


def test_a_result_goes_back_to_no_earlier_version_at_a_copy(
    api: Api, ward: Ward, copy: Copy, journal: Instance
) -> None:
    """Would break S16: a late preliminary result would stand on every sheet in the place of the final one until the journal is
    back."""
    lab = journal.token("laboratory")
    known = {**vital(ward), "identifier": [{"system": "urn:lab", "value": fresh()}]}
    final = api.make(known)
    late, at = {**known, "id": final["id"], "status": "preliminary"}, f"Observation/{final['id']}"
    patch = [{"op": "replace", "path": "/status", "value": "preliminary"}]
    error = refused(Conflict, lambda: copy.take("PUT", at, late, lab))
    assert "final" in error.message
    refused(Conflict, lambda: copy.take("POST", "", putting(late), lab))
    refused(Conflict, lambda: copy.take("PATCH", at, patch, lab, content_type="application/json-patch+json"))
    assert copy.states() == []
    copy.take("PUT", at, {**late, "status": "corrected"}, lab)
    refused(Conflict, lambda: copy.take("PUT", at, {**late, "status": "final"}, lab))
    copy.hand_over()
    assert copy.states() == [State.DONE]


def test_what_the_journal_refuses_stays_with_the_reason_and_holds_back_only_what_refers_to_it(
    api: Api, ward: Ward, nurse: Nurse, copy: Copy
) -> None:
    """Would break: a refused entry would vanish, or stop a whole ward's."""
    visit = orjson.loads(copy.take("POST", "Encounter", {"resourceType": "Encounter", "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"},
        "subject": ward.owned()["subject"], "period": {"start": "2026-11-29"}}, nurse.session).body)  # fmt: skip
    within = vital(ward) | {"encounter": {"reference": f"Encounter/{visit['id']}"}}
    copy.take("POST", "Observation", within, nurse.session)
    copy.take("POST", "Observation", vital(ward), nurse.session)
    first = copy.store.open()[0]
    copy.store.become(first.number, State.REFUSED, "the journal's reason")
    copy.hand_over()
    assert copy.states() == [State.REFUSED, State.WAITING, State.DONE]
    copy.store.become(first.number, State.WAITING, "tried again", only_from=[State.REFUSED])
    copy.hand_over()
    assert copy.states() == [State.DONE] * 3


def test_a_changed_resource_becomes_a_task_and_the_next_ones_go_on(
    api: Api, ward: Ward, nurse: Nurse, copy: Copy
) -> None:
    """Would break: a conflict would overwrite, or hold back the patient's other entries."""
    note = ward.note()
    # Another unit does not change it: by the region's own system, whose it is.
    token = api.headers["Authorization"][7:]
    copy.take("PUT", f"Composition/{note['id']}", {**note, "title": "Mine"}, token)
    copy.take("POST", "Observation", vital(ward), nurse.session)
    api.make({**note, "title": "Theirs"})
    (one, _) = copy.store.open()
    copy.hand_over()
    assert copy.states() == [State.TASK, State.DONE]
    assert api.get(f"/Composition/{note['id']}").json()["title"] == "Theirs"
    assert len(tasks(api, one)) == 1


def test_nothing_is_handed_over_while_a_person_has_forced_the_reserve(
    api: Api, ward: Ward, nurse: Nurse, copy: Copy
) -> None:
    """Would break S31: automation would overrule a person."""
    copy.store.happened(Forced("Ada", "upgrade"))
    copy.take("POST", "Observation", vital(ward), nurse.session)
    copy.hand_over()
    assert copy.states() == [State.WAITING]
    copy.store.happened(Left("Ada", "done"))
    assert copy.store.standing().mode is Mode.RETURNING
    copy.hand_over()
    assert copy.states() == [State.DONE]
    assert copy.store.standing().mode is Mode.JOURNAL


def test_an_order_says_that_it_is_valid_at_its_site_only(ward: Ward, nurse: Nurse, copy: Copy) -> None:
    """Would break S12: a reserve order would look like any other."""
    order: Resource = {"resourceType": "MedicationRequest", "intent": "order", "status": "active", "medicationCodeableConcept": {"text": "x"},
             "subject": ward.owned()["subject"]}  # fmt: skip
    assert headers(copy.take("POST", "MedicationRequest", order, nurse.session))["vaka-reserve"].endswith("site-only")
    draft = copy.take("POST", "MedicationRequest", {**order, "status": "draft"}, nurse.session)
    assert not headers(draft)["vaka-reserve"].endswith("site-only")
    assert [one.single_site for one in copy.store.open()] == [True, False]


def test_a_journal_that_is_away_is_asked_again_and_a_fault_sets_one_entry_aside(
    ward: Ward, nurse: Nurse, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would break: an entry would be lost by an answer that is none, or one fault would hold back everything for ever."""
    from vaka import config
    from vaka.copy.reserve.journal import Away, Outcome

    monkeypatch.setattr(config, "RESERVE_RETRY_S", 0.0)
    for _ in range(2):
        copy.take("POST", "Observation", vital(ward), nurse.session)
    faulty = copy.store.open()[0].number

    class Client(JournalClient):
        away = True

        async def take(self, entry: Entry) -> Outcome:
            if self.away:
                raise Away("ConnectError")
            if entry.number == faulty:
                raise Away("HTTP 500", fault=True)
            return Outcome(State.DONE, "", {"made": []})

    async def work(client: Client) -> None:
        hand_over = HandOver(copy.store, client)
        for _ in range(20):
            await hand_over.step()

    client = Client("http://nowhere", lambda: "")
    asyncio.run(work(client))
    assert copy.states() == [State.WAITING] * 2
    assert copy.store.standing().mode is Mode.RESERVE
    copy.store.happened(Left("Ada", "it is back"))
    client.away = False
    asyncio.run(work(client))
    assert copy.states() == [State.REFUSED, State.DONE]
    assert "fails" in copy.store.listed([State.REFUSED])[0].reason
