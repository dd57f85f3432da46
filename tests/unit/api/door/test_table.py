"""Who answers what."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from vaka.api.door import table
from vaka.api.door.table import Who


def who(asked: str, *, login: bool = True) -> Who:
    method, _, address = asked.partition(" ")
    split = urlsplit(address)
    return table.who(method, tuple(split.path.strip("/").split("/")), parse_qsl(split.query), login=login)


@pytest.mark.parametrize(
    "asked",
    [
        "GET /fhir/Patient/1",
        "HEAD /fhir/Patient/1",
        "GET /fhir/Observation/1/_history/2",
        "GET /fhir/Patient/1/$everything",
        "POST /fhir/Patient/1/$everything",
        "GET /fhir/Patient/1/Observation?code=x",
        "GET /fhir/Patient/1/*",
        "POST /fhir/Patient/1/Observation/_search",
        "GET /fhir/Observation?subject=Patient/1&code=x",
        "GET /fhir/Observation?subject:Patient=1",
        "GET /fhir/Observation?patient.identifier=x",
        "GET /fhir/Condition?_id=1",
        "GET /fhir/Condition?_page=x",
        "GET /fhir/Encounter?location=1&status=in-progress",
        "POST /fhir/Observation/_search?patient=1",
        "GET /fhir/metadata",
        "GET /sheet/1",
        "GET /unit/SE1-2",
        "GET /ready",
        "GET /static/vaka.css",
        "GET /login",
    ],
)
def test_of_the_copy(asked: str) -> None:
    """Broken: what everybody reads burdens the journal, and goes with it."""
    assert who(asked) is Who.COPY


@pytest.mark.parametrize(
    "asked",
    [
        "POST /fhir/Patient",
        "PUT /fhir/Patient/1",
        "PATCH /fhir/Patient/1",
        "DELETE /fhir/Patient/1",
        "POST /fhir",
        "POST /fhir/",
        "GET /fhir?_type=Patient",
        "GET /fhir/Observation?code=x",
        "GET /fhir/Observation?performer=Practitioner/1",
        "GET /fhir/Observation/1/_history",
        "GET /fhir/_history",
        "GET /fhir/Binary/1",
        "GET /fhir/Binary/1/_history/1",
        "GET /fhir/AuditEvent?patient=1",
        "GET /fhir/AuditEvent/1",
        "POST /fhir/Patient/$merge",
        "POST /fhir/DocumentReference/1/$sign",
        "GET /fhir/$unsigned",
        "GET /fhir/Practitioner/1/Observation",
        "POST /fhir/Observation",
        "POST /auth/token",
        "GET /log",
        "GET /nowhere",
    ],
)
def test_of_the_journal(asked: str) -> None:
    """Broken: the copy answers what it cannot know, or keeps a write to itself."""
    assert who(asked) is Who.JOURNAL


def test_of_either() -> None:
    """Broken (A9): in a stop nobody can open in an emergency; or what was opened is known at one copy only."""
    for asked in ("GET /fhir/Patient/1/$access", "POST /fhir/Patient/1/$open", "POST /fhir/Patient/1/$close"):
        assert who(asked) is Who.EITHER, asked


def test_of_nobody() -> None:
    """Broken: the whole record leaves through the door."""
    for asked in ("GET /feed", "GET /feed/private", "POST /reserve", "POST /peer/key", "GET /feed?after=1.1.1"):
        assert who(asked) is Who.NOBODY, asked
    assert who("POST /peer/reserve") is Who.COPY, "what copies hold for each other"


def test_where_nobody_can_log_in_the_journal_has_the_pages() -> None:
    """Broken: people stand before a login that knows nobody."""
    assert who("POST /login/code", login=False) is Who.JOURNAL
    assert who("GET /", login=False) is Who.JOURNAL
    assert who("GET /static/vaka.css", login=False) is Who.COPY


def test_what_changes_the_record() -> None:
    """Broken: a write is sent twice without a key, or a search is kept from being tried again."""
    for method, path, expected in (
        ("POST", "fhir/Patient", True), ("DELETE", "fhir/Patient/1", True), ("POST", "fhir", True),
        ("POST", "fhir/Patient/1/$open", True), ("POST", "fhir/Patient/_search", False),
        ("POST", "fhir/Patient/1/$everything", False), ("POST", "fhir/$validate", False), ("GET", "fhir/Patient", False),
        ("POST", "login/code", False),
    ):  # fmt: skip
        assert table.is_write(method, path.split("/")) is expected, (method, path)


def test_what_matters_most() -> None:
    """Broken (S1): an old list of drugs is shown while the journal is well; or all reading falls on it."""
    for path, expected in (
        ("fhir/AllergyIntolerance", True), ("fhir/Patient/1/MedicationRequest", True), ("fhir/Patient/1/*", True),
        ("fhir/Patient/1/$everything", True), ("fhir/MedicationAdministration/1", True), ("fhir/Consent", True),
        ("fhir/Patient/1", False), ("fhir/Encounter", False), ("fhir/DocumentReference", False), ("static/x", False),
        ("fhir", False),
    ):  # fmt: skip
        assert table.is_urgent(path.split("/")) is expected, path


def test_within_whom_something_is_searched() -> None:
    """Broken (S10, S11): a search is taken to be of somebody else, and what waits of the patient is left out of its answer."""
    for path, query, expected in (
        ("fhir/Patient/1/Observation", [], {"1"}), ("fhir/Patient/1/$everything", [], {"1"}),
        ("fhir/Observation", [("patient", "Patient/1"), ("code", "x")], {"1"}), ("fhir/Observation", [("patient", "1,2")], {"1", "2"}),
        ("fhir/Flag", [("subject:Patient", "1")], {"1"}), ("fhir/Flag", [("subject", "http://here/fhir/Patient/1")], {"1"}),
        ("fhir/Observation", [("patient.identifier", "s|1")], None), ("fhir/Observation", [("patient:identifier", "s|1")], None),
        ("fhir/Observation", [("_id", "1")], None), ("fhir/Observation", [("patient", "")], None), ("fhir/Encounter", [], None),
    ):  # fmt: skip
        assert table.patients_asked(path.split("/"), query) == expected, (path, query)
