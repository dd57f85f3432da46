"""The access log tells by which rule what was given out was permitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
from tests.access.wards import Ward, agreement, ward
from tests.accesses import events
from tests.client import Api

from vaka.access.rules import PERMITS, permitted_by
from vaka.api.audit_event import Names, audit_event

__all__ = ["ward"]


def test_the_rule_of_what_was_read_is_in_the_log(ward: Ward, api: Api) -> None:
    """Breaks if a reviewer cannot see on what ground somebody has read: care relation, choice, consent or emergency."""
    mine, other = ward.at("u"), ward.at("u", "k")
    ward.api.make(agreement(ward, "u"))

    def rule(client: Api, address: str, who: str = "h") -> str:
        assert client.get(address).status_code == 200
        return events(ward.journal.data, f"{ward.tag}{who}")[-1].record.rule

    assert rule(mine, f"/Patient/{ward.patient}") == "A1-identity"
    assert rule(mine, f"/Organization/{ward.tag}u") == "A1-directory"
    assert rule(mine, f"/Observation/{ward.note('u')}") == "A2"
    assert ward.open(mine, "unit", "v").status_code == 201
    assert rule(mine, f"/Observation/{ward.note('v')}") == "A3"
    assert ward.open(mine, "provider", "q").status_code == 201
    assert rule(mine, f"/Observation/{ward.note('w')}") == "A4"
    assert ward.open(other, "emergency", reason="unconscious", no_consent="cannot answer").status_code == 201
    assert rule(other, f"/Observation/{ward.note('w')}", "k") == "A9"
    assert rule(other, f"/Observation/{ward.note('v')}", "k") == "A9-provider"
    assert mine.get(f"/Observation/{ward.note('v')}x").status_code == 404
    assert events(ward.journal.data, f"{ward.tag}h")[-1].record.rule == ""
    assert api.get(f"/Observation/{ward.note('u')}").status_code == 200
    assert events(ward.journal.data, "tests")[-1].record.rule == "", "no rule stands before the region's own systems"


def test_the_rules_of_lists_and_old_versions_are_in_the_log(ward: Ward) -> None:
    """Breaks if a reviewer cannot see on what ground somebody has searched, or has read what stood there before."""
    require_rules(ward, lambda _: last_rule(ward))


def last_rule(ward: Ward) -> str:
    """Of the last record of the ward's person in the journal's log."""
    return events(ward.journal.data, f"{ward.tag}h")[-1].record.rule


def require_rules(ward: Ward, logged: Callable[[httpx.Response], str]) -> None:
    """``logged``: the rule in the record of an answer."""
    mine = ward.at("u")
    assert ward.open(mine, "unit", "v").status_code == 201
    all_ = f"/Observation?patient={ward.patient}"
    for address, expected in {
        f"/Observation/{ward.note('u')}/_history/1": "A2",
        f"/Observation/{ward.note('v')}/_history": "A3",
        f"/Observation?_id={ward.note('v')}&patient={ward.patient}": "A3",
        f"/Observation?_id={ward.note('w')}&patient={ward.patient}": "",
        all_: "A2 A3",
        f"{all_}&_sort=code": "A2 A3",
        f"{all_}&_sort=-date,_id": "A2 A3",
        f"{all_}&_count=1": "A3",
        f"{all_}&_include=Observation:patient": "A1-identity A2 A3",
        f"/Patient?_id={ward.patient}&_revinclude=Observation:patient": "A1-identity A2 A3",
        f"/Patient/{ward.patient}/Observation": "A2 A3",
    }.items():
        answer = mine.get(address)
        assert answer.status_code == 200
        assert logged(answer) == expected, address
    everything = mine.get(f"/Patient/{ward.patient}/$everything")
    assert everything.status_code == 200
    assert {"A1-identity", "A2", "A3"} <= {*logged(everything).split()} <= {"A1-directory", "A1-identity", "A2", "A3"}


def test_several_rules_are_told_each_by_itself(ward: Ward) -> None:
    """Breaks if two rules have one bit, or an AuditEvent names a rule that is none."""
    assert len({*PERMITS.values()}) == len(PERMITS)
    assert all(bit.bit_count() == 1 for bit in PERMITS.values())
    told = permitted_by(PERMITS["A4"] | PERMITS["A2"])
    assert told == "A2 A4"
    assert ward.at("u").get(f"/Observation/{ward.note('u')}").status_code == 200
    event = events(ward.journal.data, f"{ward.tag}h")[-1]
    both = replace(event, record=event.record._replace(rule=told))
    for one, ids in ((event, ["A2"]), (both, ["A2", "A4"])):
        assert audit_event(one, Names({}, {}, {}))["agent"][0]["policy"] == [f"urn:vaka:rule:{id_}" for id_ in ids]
