"""What a resource says about access: care relations with their beginning and end, blocks, consents, protection (A2, A5, A7, A10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from vaka.access.facts import EVER, Block, Consented, Facts, Relation, facts_of

DAY = 86_400_000_000
Resource = dict[str, Any]


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


NOON, ONE = "2026-03-01T12:00:00Z", us("2026-03-01T12:00:00")
END, TWO = "2026-03-02T12:00:00Z", us("2026-03-02T12:00:00")
SECOND = 1_000_000


def encounter(status: str, **period: str) -> Resource:
    return {"resourceType": "Encounter", "status": status, **({"period": period} if period else {})}


def referral(status: str, *performers: str, authored: str | None = NOON) -> Resource:
    made: Resource = {"resourceType": "ServiceRequest", "status": status, "performer": [{"reference": one} for one in performers]}  # fmt: skip
    return made | ({"authoredOn": authored} if authored else {})


@pytest.mark.parametrize(
    ("resource", "spans"),
    [
        (encounter("in-progress", start=NOON), [(None, ONE - 14 * DAY, EVER)]),
        (encounter("in-progress"), [(None, 0, EVER)]),
        (encounter("finished", start=NOON, end=END), [(None, ONE - 14 * DAY, TWO + SECOND + 90 * DAY)]),
        (encounter("finished"), []),
        (encounter("cancelled", start=NOON), []),
        (encounter("entered-in-error", start=NOON), []),
        ({"resourceType": "Appointment", "status": "booked", "start": NOON, "end": END}, [(None, ONE - 14 * DAY, TWO + SECOND + 90 * DAY)]),
        ({"resourceType": "Appointment", "status": "booked", "start": NOON}, [(None, ONE - 14 * DAY, ONE + SECOND + 90 * DAY)]),
        ({"resourceType": "Appointment", "status": "cancelled", "start": NOON}, []),
        ({"resourceType": "Appointment", "status": "noshow", "start": NOON}, []),
        ({"resourceType": "Appointment", "status": "proposed"}, []),
        (referral("active", "Organization/r", "Practitioner/p"), [(None, ONE, ONE + SECOND + 90 * DAY), ("r", ONE, ONE + SECOND + 90 * DAY)]),
        (referral("revoked", "Organization/r"), []),
        (referral("draft", "Organization/r"), []),
        (referral("active", "Organization/r", authored=None), []),
        (referral("active", "https://elsewhere.example/Organization/r"), [(None, ONE, ONE + SECOND + 90 * DAY)]),
        ({"resourceType": "EpisodeOfCare", "status": "active", "period": {"start": NOON, "end": END}}, [(None, ONE, TWO + SECOND)]),
        ({"resourceType": "EpisodeOfCare", "status": "active", "period": {"start": NOON}}, [(None, ONE, EVER)]),
        ({"resourceType": "EpisodeOfCare", "status": "entered-in-error", "period": {"start": NOON}}, []),
        ({"resourceType": "Observation", "status": "final", "effectiveDateTime": NOON}, []),
    ],
)  # fmt: skip
def test_a_care_relation_begins_and_ends(resource: Resource, spans: list[tuple[str | None, int, int]]) -> None:
    """Breaks if a kind of contact gives no relation, a cancelled one gives one, or one does not end (A2)."""
    found = facts_of(resource)
    assert found == Facts(relations=tuple(Relation(*span) for span in spans))


def consent(status: str = "active", /, **provision: Any) -> Resource:
    codes = provision.pop("codes", [])
    category = [{"coding": [{"system": "urn:x-vaka:consent", "code": code}]} for code in codes]
    whose = provision.pop("whose", ["Organization/u"])
    return {
        "resourceType": "Consent", "status": status, "dateTime": NOON, "organization": [{"reference": one} for one in whose],
        "category": category, "provision": provision,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (consent(type="deny", codes=["inner-block"]), [Block("u", None, True, False, ONE, EVER)]),
        (consent(type="deny", codes=["outer-block"]), [Block("u", None, False, True, ONE, EVER)]),
        (consent(type="deny"), [Block("u", None, True, True, ONE, EVER)]),
        (consent(type="deny", codes=["inner-block"], whose=[]), [Block(None, None, True, False, ONE, EVER)]),
        (consent(type="deny", codes=["inner-block"], period={"start": END, "end": END}), [Block("u", None, True, False, TWO, TWO + SECOND)]),
        (
            consent(**{"type": "deny", "codes": ["inner-block"], "class": [{"system": "urn:x-vaka:kind", "code": kind} for kind in ("note", "laboratory")]}),
            [Block("u", kind, True, False, ONE, EVER) for kind in ("note", "laboratory")],
        ),
        (consent(type="deny", codes=["inner-block"], whose=["Organization/u", "Organization/v"]), [Block(one, None, True, False, ONE, EVER) for one in "uv"]),
        (consent("inactive", type="deny"), []),
        (consent("entered-in-error", type="deny"), []),
    ],
)  # fmt: skip
def test_a_block_covers_what_it_says(given: Resource, expected: list[Block]) -> None:
    """Breaks if a block that says less counts as less than it says, covers the wrong kind, or outlives its end (A5, A7)."""
    assert facts_of(given) == Facts(blocks=tuple(expected))


def test_each_units_lift_stands_beside_the_block() -> None:
    """Breaks if one unit's lift takes another's place, or one without an end lifts for ever (A6, A7)."""
    period = {"start": NOON, "end": END}
    lifts = [
        {"type": "permit", "period": period, "actor": [{"reference": {"reference": f"Organization/{unit}"}}]}
        for unit in "ab"
    ]
    endless = {"type": "permit", "period": {"start": NOON}, "actor": [{"reference": {"reference": "Organization/c"}}]}
    found = facts_of(consent(type="deny", codes=["inner-block"], provision=[*lifts, endless])).blocks
    assert [(one.inner, one.lifted_for, one.lifted_from_us, one.lifted_until_us) for one in found] == [
        (True, "a", ONE, TWO + SECOND), (False, "b", ONE, TWO + SECOND),
    ]  # fmt: skip


def test_a_consent_names_who_may_read() -> None:
    """Breaks if a consent opens for others than it names, or one that was withdrawn opens at all (A4)."""
    actor = [{"role": {"text": "unit"}, "reference": {"reference": "Organization/r"}}]
    assert facts_of(consent(type="permit", actor=actor)).consents == (Consented("r", ONE, EVER),)
    assert facts_of(consent(type="permit")).consents == (Consented("u", ONE, EVER),)
    assert facts_of(consent(type="permit", actor=actor, period={"end": END})).consents == (
        Consented("r", ONE, TWO + SECOND),
    )
    assert facts_of(consent("inactive", type="permit", actor=actor)) == Facts()
    assert facts_of({"resourceType": "Consent", "status": "active"}) == Facts()


@pytest.mark.parametrize(
    ("code", "is_protected"),
    [("sekretessmarkering", True), ("skyddad-folkbokforing", True), ("R", True), ("V", True), ("N", False)],
)
def test_a_protected_identity_is_known_by_its_label(code: str, is_protected: bool) -> None:
    """Breaks if a label of the population register protects nobody (A10)."""
    assert facts_of({"resourceType": "Patient", "meta": {"security": [{"code": code}]}}) == Facts(
        protected=is_protected
    )
