"""What was entered from paper says so on the sheet, with its times (S6, S13)."""

from __future__ import annotations

from typing import Any

import orjson
from tests.unit.copy.sheet.building import as_html, lines, owned
from tests.unit.copy.sheet.record import Record, home

from vaka.access.law import Act
from vaka.access.marks import Actor, provenance
from vaka.copy.sheet import kept
from vaka.copy.sheet.fragment import Fragment
from vaka.copy.sheet.kept import Group
from vaka.fhir.paper import TAG

ACTOR = Actor("system/copy", None, None, "copy")


def dose(version: str = "1", **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration", "id": "d1", "status": "completed", "medicationCodeableConcept": {"text": "Alvedon"},
        "effectiveDateTime": "2026-11-29T08:20:00+01:00", "subject": {"reference": "Patient/p1"},
        "meta": {"versionId": version, "lastUpdated": "2026-11-29T10:05:00.000Z", "tag": [TAG]}, **members,
    }  # fmt: skip


def made(record: Record) -> Fragment:
    patient = home("p1")
    assert patient is not None
    found = kept.of_group(record.connection, record.codec, Group(patient, "medication", "v1", "u1"))
    assert found is not None
    return found


def line(record: Record) -> dict[str, Any]:
    (found,) = lines(made(record), "doses")
    return found


def test_the_times_are_told() -> None:
    """Would break: a dose on paper would pass for one that was written when it was given; or for one of the time it was entered."""
    record = Record()
    record.put(dose())
    told = line(record)
    assert (told["from_paper"], told["happened"], told["entered"]) == (
        True, "2026-11-29T08:20:00+01:00", "2026-11-29T10:05:00.000Z",
    )  # fmt: skip
    page = as_html(owned(made(record), "medication", "sv"))
    assert "från papper" in page
    assert "2026-11-29 08:20" in page
    assert "2026-11-29 11:05" in page


def test_what_was_entered_at_a_copy_was_entered_when_that_copy_saved_it() -> None:
    """Would break: the time of handing over would pass for the time of entering."""
    record = Record()
    record.put(dose())
    record.put(
        {
            **provenance(Act.RESERVED, ["MedicationAdministration/d1/_history/1"], ACTOR, "2026-11-29T09:00:00Z"),
            "id": "m",
        }
    )
    assert line(record)["entered"] == "2026-11-29T09:00:00Z"


def test_of_a_changed_one_the_change_is_told() -> None:
    """Would break: the time of a correction would pass for the time of entering."""
    record = Record()
    record.put(dose("3"))
    told = line(record)
    assert "entered" not in told
    assert told["changed"] == "2026-11-29T10:05:00.000Z"


def test_what_is_not_from_paper_says_nothing() -> None:
    """Would break: everything would be marked; or one odd tag would take the sheet along (S4)."""
    record = Record()
    record.put(dose(meta={"versionId": "1", "tag": [{"system": "x", "code": "from-paper"}]}))
    assert "from_paper" not in line(record)
    record.put(dose(meta={"tag": [TAG]}))
    assert (line(record)["from_paper"], "entered" in line(record)) == (True, False)
    record.put(dose(), pending=4, body=orjson.dumps(dose("r-1")))
    assert line(record)["entered"] == "2026-11-29T10:05:00.000Z"
