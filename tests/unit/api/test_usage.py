"""What each caller does within an hour: what is told, what is alarmed, what is refused, and whom it never refuses."""

from __future__ import annotations

from typing import Any

import pytest

from vaka import config, log
from vaka.access.filter import FULL, AccessFilter, program_filter
from vaka.access.session import Assignment, Session
from vaka.accesslog.record import Record, actor_of
from vaka.api.http import Request
from vaka.api.usage import TooMany, Usage

Lines = list[tuple[str, dict[str, Any]]]
PERSON = AccessFilter(
    "person:SE1-1", session=Session("0" * 32, "SE1-1", "p", "P", Assignment("a", "u", "v"), 0, 0, "code")
)
PROGRAM = program_filter("client:lab", "system/Observation.crs")
OWN = AccessFilter("integration", frozenset({FULL}))


class Clock:
    at_s = 1_000.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    told: Lines = []
    for name in ("info", "warning"):
        monkeypatch.setattr(log, name, lambda event, **fields: told.append((event, fields)))
    return told


def request(access: AccessFilter, method: str = "GET", path: str = "fhir/Patient/1", size: int = 0) -> Request:
    made = Request(method, tuple(path.split("/")), [], {}, "http://x/fhir", b"", access)
    made.received_bytes = size
    return made


def note(usage: Usage, asked: Request, *, times: int = 1, **members: Any) -> None:
    record = Record(0, actor_of(asked.access), **{"activity": "read", **members})
    for _ in range(times):
        usage.note(asked, record)


def test_what_a_person_reads_or_opens_is_told_and_never_refused(lines: Lines) -> None:
    """Broken: care waits for a count; or somebody reads half the region in a night, and nothing tells (ASVS 8.1.4, 11.1.7)."""
    usage = Usage(Clock())
    for patient in range(config.HOURLY_PATIENTS_TOLD):
        note(usage, request(PERSON), patients=(patient,))
    note(usage, request(PERSON), patients=(1, 2, 3))
    assert not lines
    for patient in range(5_000):
        note(usage, request(PERSON), patients=(patient,))
    note(
        usage, request(PERSON, "POST", "fhir/Patient/1/$open"), times=config.HOURLY_OPENINGS_TOLD, activity="emergency"
    )
    assert [fields["about"] for _, fields in lines] == ["patients"]
    note(usage, request(PERSON, "POST", "fhir/Patient/1/$open"), times=3, activity="emergency")
    note(usage, request(PERSON), times=config.HOURLY_REFUSALS_TOLD + 5, status=404)
    assert [(event, fields["who"], fields["about"]) for event, fields in lines] == [
        ("alarm: unusual use", "person:SE1-1", about) for about in ("patients", "openings", "refusals")
    ]
    note(usage, request(PERSON, "POST", "fhir/Patient"), times=config.HOURLY_PERSON_CHANGES_MAX)
    for asked in (
        request(PERSON),
        request(PERSON, "POST", "fhir/Patient/_search"),
        request(PERSON, "POST", "fhir/Patient/1/$open"),
    ):
        usage.require(asked)


def test_a_persons_changes_have_a_limit(lines: Lines) -> None:
    """Broken: a script with somebody's session fills the record or the disk (ASVS 11.1.3, 12.1.3)."""
    clock = Clock()
    usage = Usage(clock)
    change = request(PERSON, "POST", "fhir/Patient")
    note(usage, change, times=config.HOURLY_PERSON_CHANGES_MAX - 1)
    usage.require(change)
    note(usage, change)
    clock.at_s += 600
    with pytest.raises(TooMany) as refused:
        usage.require(change)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 3_001)
    clock.at_s += 3_001
    usage.require(change)
    note(usage, change)
    usage.require(change)
    note(usage, request(PERSON, "PUT", "fhir/Binary/1", size=config.HOURLY_PERSON_BYTES_MAX))
    with pytest.raises(TooMany):
        usage.require(change)
    usage.require(request(PERSON))


def test_a_program_is_bounded_and_the_regions_own_is_not(lines: Lines) -> None:
    """Broken: one program's fault keeps the record from all others (ASVS 11.1.4); or a load of the region's stops at noon."""
    usage = Usage(Clock())
    for access in (PROGRAM, OWN):
        note(usage, request(access, "POST", "fhir/Binary", size=config.HOURLY_PROGRAM_BYTES_MAX // 2), times=2)
    with pytest.raises(TooMany):
        usage.require(request(PROGRAM))
    usage.require(request(OWN))
    note(usage, request(OWN), times=config.HOURLY_REFUSALS_TOLD + 1, status=404)
    assert not lines, "it asks whether something is there"
    busy = Usage(Clock())
    note(busy, request(PROGRAM), times=3)
    busy._counts["client:lab"].requests = config.HOURLY_PROGRAM_REQUESTS_TOLD
    note(busy, request(PROGRAM), times=2)
    assert [fields["about"] for _, fields in lines] == ["requests"]
    busy._counts["client:lab"].requests = config.HOURLY_PROGRAM_REQUESTS_MAX
    with pytest.raises(TooMany):
        busy.require(request(PROGRAM))


def test_each_hour_is_told_by_caller_and_forgotten(lines: Lines) -> None:
    """Broken: nobody can look up who was busy last night; or memory grows with everybody who ever came."""
    clock = Clock()
    usage = Usage(clock)
    note(usage, request(PROGRAM), times=3, status=403)
    note(usage, request(PERSON), times=5, patients=(1, 2))
    note(usage, request(AccessFilter("anonymous")), times=50, status=401)
    assert not lines
    clock.at_s += 3_600
    note(usage, request(PERSON))
    assert [(event, fields["who"], fields["requests"], fields["patients"], fields["refusals"]) for event, fields in lines] == [
        ("hour of a caller", "person:SE1-1", 5, 2, 0), ("hour of a caller", "client:lab", 3, 0, 3)
    ]  # fmt: skip
    assert list(usage._counts) == ["person:SE1-1"]


def test_what_is_shown_again_is_counted_in_its_own_hour(lines: Lines) -> None:
    """Broken: who reads the same sheet all day is not told of; or is counted in an hour that is over."""
    clock = Clock()
    usage, asked = Usage(clock), request(PERSON)
    first = Record(0, actor_of(PERSON), "sheet", patients=(1,))
    assert not usage.note_again(usage.note(asked, first)), "another patient: to be looked at as a whole"
    count = usage.note(asked, first)
    assert all(usage.note_again(count) for _ in range(3))
    clock.at_s += 3_600
    assert not usage.note_again(count)
    usage.note(asked, first)
    assert [(fields["requests"], fields["patients"]) for _, fields in lines] == [(5, 1)]
    assert not usage.note_again(count), "of the hour before"
