"""Results of one laboratory's number on sheets and lists: one is the current one, in whatever order they came (S16)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from tests.unit.copy.sheet.building import lines, made
from tests.unit.copy.sheet.record import Record, person
from tests.unit.copy.sheet.test_worklists import ids, mark, record

from vaka.access.decision import What
from vaka.access.law import Act

__all__ = ["record"]

STAGES = ("preliminary", "final", "corrected")


def result(status: str, value: int = 0, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "status": status, "code": {"coding": [{"system": "npu", "code": "NPU03230"}]},
        "category": [{"coding": [{"code": "laboratory"}]}], "identifier": [{"system": "urn:lab", "value": "17"}],
        "effectiveDateTime": "2026-11-29T08:00:00+01:00", "valueInteger": value or 4 + STAGES.index(status), **members,
    }  # fmt: skip


def report(status: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport", "status": status, "code": {"text": "Odling"}, "conclusion": f"as {status}",
        "identifier": [{"system": "urn:lab", "value": "18"}], "subject": {"reference": "Patient/p1"}, **members,
    }  # fmt: skip


def test_a_sheet_shows_the_last_version_whichever_came_first() -> None:
    """Would break: a preliminary value that came late would be shown as the latest, or as the value before."""
    for order in permutations(STAGES):
        found = made(*[result(status) for status in order], *[report(status) for status in order])
        (line,) = lines(found, "results")
        assert (line["value"], line["status"], "before" in line) == ("6", "corrected", False), order
        assert [one["text"] for one in lines(found, "cultures")] == ["as corrected"], order


def test_the_same_twice_is_one_line_and_another_sample_is_the_value_before() -> None:
    """Would break: a replay would be read as two samples; or a real earlier sample would be gone."""
    earlier = result(
        "final", 9, identifier=[{"system": "urn:lab", "value": "16"}], effectiveDateTime="2026-11-28T08:00:00+01:00"
    )
    (line,) = lines(made(result("final"), result("final"), earlier), "results")
    assert (line["value"], line["before"]) == ("5", "9")
    (line,) = lines(made(result("final", 5), result("final", 7)), "results")
    assert {line["value"], line["before"]} == {"5", "7"}, "two that differ are both shown"


def test_what_a_laboratory_has_annulled_is_not_shown_by_its_earlier_version() -> None:
    """Would break: a value that the laboratory has taken back in a message of its own would stand on the sheet."""
    assert lines(made(result("final"), result("entered-in-error", 5)), "results") == []


def test_a_list_has_the_last_version_whichever_came_first(record: Record) -> None:
    """Would break: a result that a later one stands beside would wait to be read, or the later one would not."""
    for n, order in enumerate(permutations(STAGES)):
        number = [{"system": "urn:lab", "value": f"n{n}"}]
        for status in order:
            record.put(report(status, id=f"{status}{n}", identifier=number))
        assert ids(record, "answers") == [f"DiagnosticReport/corrected{n}"], order
        record.put(mark(Act.READ, f"DiagnosticReport/corrected{n}/_history/1", f"m{n}"))
        assert ids(record, "answers") == [], "who has read the last version has read it"


def test_another_owners_later_version_takes_nothing_from_a_list(record: Record) -> None:
    """Would break: a result would go from the list of a unit that cannot see the later one."""
    record.open(What.UNIT, "u2")
    record.put(report("preliminary", id="mine"))
    record.put(report("final", id="theirs"), "u2/v1")
    assert ids(record, "answers", person()) == ["DiagnosticReport/mine"]
