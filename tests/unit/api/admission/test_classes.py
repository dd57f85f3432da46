"""How important a request is: by who was proven and by the route, never by what is claimed."""

from __future__ import annotations

import pytest
from tests.unit.api.admission.callers import NOW, answered, asks, door_that_knows, person_filter, program, session

from vaka import config
from vaka.api.admission import Admission
from vaka.api.admission.classes import (
    BACKGROUND,
    EXEMPT,
    INTEGRATION,
    LOGIN,
    READ,
    URGENT,
    WRITE,
    carried,
    is_beside,
)
from vaka.api.admission.known import Known


@pytest.mark.parametrize(
    ("method", "address", "class_"),
    [
        ("GET", "/fhir/Observation/1", READ),
        ("GET", "/fhir/Patient/1", READ),
        ("GET", "/sheet/1", READ),
        ("GET", "/unit/SE1", READ),
        ("GET", "/", READ),
        ("GET", "/fhir/Patient?identifier=19121212-1212", READ),
        ("GET", "/fhir/Encounter?location=1&date=2026-01-01", READ),
        ("GET", "/fhir/Observation?patient=1", READ),
        ("GET", "/fhir/Patient/1/$everything", READ),
        ("POST", "/fhir/Patient/1/Observation/_search", READ),
        ("POST", "/fhir/Observation/_search", READ),
        ("POST", "/fhir/_search", BACKGROUND),
        ("GET", "/fhir/Observation?code=8480-6", BACKGROUND),
        ("GET", "/fhir/Condition?_content=fever", BACKGROUND),
        ("GET", "/fhir/_history", BACKGROUND),
        ("GET", "/fhir/Observation/_history", BACKGROUND),
        ("GET", "/fhir?_type=Observation", BACKGROUND),
        ("GET", "/log/extract/1", BACKGROUND),
        ("GET", "/fhir/AuditEvent?date=2026-01-01", BACKGROUND),
        ("POST", "/fhir/Observation", WRITE),
        ("PUT", "/fhir/Observation/1", WRITE),
        ("POST", "/fhir", WRITE),
        ("POST", "/fhir/DocumentReference/1/$sign", WRITE),
        ("POST", "/assignment", WRITE),
        ("POST", "/fhir/MedicationAdministration", URGENT),
        ("PUT", "/fhir/AllergyIntolerance/1", URGENT),
        ("POST", "/fhir/Flag", URGENT),
        ("POST", "/fhir/Flag/$validate", WRITE),
        ("POST", "/fhir/Patient/1/$open", URGENT),
        ("POST", "/open/1", URGENT),
        ("POST", "/login/code", LOGIN),
    ],
)  # fmt: skip
def test_a_persons_requests(method: str, address: str, class_: int) -> None:
    """Broken: S19, a dose waits behind lists; or a report goes with what a ward reads."""
    known = door_that_knows(anna=session())
    assert known.class_of(asks(address, method, "anna"), NOW) == class_


@pytest.mark.parametrize(
    ("method", "address", "class_"),
    [
        ("GET", "/fhir/Observation/1", INTEGRATION),
        ("POST", "/fhir/MedicationAdministration", INTEGRATION),
        ("POST", "/fhir/Patient/1/$open", INTEGRATION),
        ("GET", "/fhir/Observation?patient=1", INTEGRATION),
        ("GET", "/fhir/Observation?code=8480-6", BACKGROUND),
        ("GET", "/fhir/_history", BACKGROUND),
    ],
)
def test_a_program_is_an_integration_or_background(method: str, address: str, class_: int) -> None:
    """Broken: a program gets before people by what it asks."""
    known = door_that_knows(lab=program())
    assert known.class_of(asks(address, method, "lab"), NOW) == class_


@pytest.mark.parametrize("address", ["/health", "/ready", "/feed", "/feed/private", "/peer/reserve", "/fhir/metadata"])
@pytest.mark.parametrize("who", ["anna", "lab", "nobody"])
def test_what_the_rest_stands_on_is_never_shed(address: str, who: str) -> None:
    """Broken: in an overload the supervisor finds nobody and starts the server again, or copies fall behind."""
    known = door_that_knows(anna=session(), lab=program())
    assert known.class_of(asks(address, who=who), NOW) == EXEMPT


def test_who_is_not_known_is_a_login_whatever_is_sent() -> None:
    """Broken: any header that looks like a session, or a claimed class, gets before those who are proven."""
    known = door_that_knows(anna=session())
    for request in (
        asks("/fhir/Observation/1", who="somebody"),
        asks("/fhir/Observation/1"),
        asks("/fhir/MedicationAdministration", "POST", who="somebody"),
        asks("/fhir/Observation/1", who="somebody", vaka_class="0", x_priority="urgent"),
    ):
        assert known.class_of(request, NOW) == LOGIN


def test_a_class_is_carried_by_copies_in_words_that_mean_one() -> None:
    """Broken: what a copy knows of the open patient is lost at the journal; or a strange word breaks the request."""
    for told, class_ in (("0", URGENT), ("5", LOGIN), ("6", READ), ("-1", READ), ("²", READ), ("", READ), ("00", READ)):
        assert carried(asks("/fhir/Observation/1", vaka_class=told), READ) == class_
    assert carried(asks("/feed", vaka_class="0"), EXEMPT) == EXEMPT


@pytest.mark.parametrize(
    ("address", "goes_last"),
    [
        ("/fhir/Patient/1/$everything", True),
        ("/fhir/Observation/1/_history", True),
        ("/fhir/Patient/1/Observation?_content=fever", True),
        ("/fhir/DocumentReference?patient=1&_text:not=x", True),
        ("/sheet/1/notes?q=fever", True),
        ("/sheet/1", False),
        ("/unit/SE1", False),
        ("/", False),
        ("/fhir/Observation/1/_history/2", False),
        ("/fhir/Observation?patient=1", False),
    ],
)
def test_what_stands_beside_the_sheet_goes_last_while_less_is_shown(address: str, *, goes_last: bool) -> None:
    """Broken: in an overload whole histories are gathered while sheets are refused (clinical.md, 12); or a sheet waits with them."""
    assert is_beside(asks(address)) is goes_last
    admission = Admission()
    assert admission.beside(asks(address), READ) == (BACKGROUND if goes_last else READ)
    assert admission.beside(asks(address), EXEMPT) == EXEMPT


def test_what_a_browser_fetches_ahead_can_wait() -> None:
    """Broken: pages that nobody has asked for yet go with those that somebody waits for."""
    known = door_that_knows(anna=session())
    assert known.class_of(asks("/fhir/Observation/1", who="anna", sec_purpose="prefetch"), NOW) == BACKGROUND


def test_a_patient_is_open_to_whom_it_was_shown() -> None:
    """Broken: a patient is open to who asked and was refused, to another person, or for ever."""
    anna, bo = session("A"), session("B")
    known = door_that_knows(anna=anna, bo=bo)
    sheet, allergies = asks("/sheet/7", who="anna"), asks("/fhir/AllergyIntolerance?patient=Patient/7", who="anna")
    answered(known, sheet, person_filter(anna), status=404)
    answered(known, sheet, person_filter(anna))  # nothing of anybody was shown
    assert known.class_of(allergies, NOW) == READ
    answered(known, sheet, person_filter(anna), patient=77)
    assert known.class_of(allergies, NOW) == URGENT
    assert known.class_of(asks("/fhir/Observation/9", who="anna"), NOW) == URGENT
    assert known.class_of(asks("/sheet/8", who="anna"), NOW) == READ
    assert known.class_of(asks("/sheet/7", who="bo"), NOW) == READ
    assert known.class_of(asks("/fhir/Observation?patient=7,8", who="anna"), NOW) == READ
    later = NOW + config.OPEN_PATIENT_S
    assert known.class_of(asks("/sheet/7", who="anna"), later - 1) == URGENT  # and goes on being open
    assert known.class_of(asks("/sheet/7", who="anna"), later + 1) == URGENT
    assert known.class_of(asks("/sheet/7", who="anna"), later + config.OPEN_PATIENT_S + 2) == READ


def test_a_resource_that_was_read_opens_its_patient() -> None:
    """Broken: who goes on from a result is still nobody's clinician."""
    anna = session()
    known = door_that_knows(anna=anna)
    one = asks("/fhir/Observation/9", who="anna")
    assert known.class_of(one, NOW) == READ
    answered(known, one, person_filter(anna), patient=77)
    assert known.class_of(one, NOW) == URGENT


def test_more_urgent_requests_than_a_person_makes_are_reads() -> None:
    """Broken: a script with somebody's session takes the places of all wards."""
    anna = session()
    known = door_that_knows(anna=anna)
    answered(known, asks("/sheet/7", who="anna"), person_filter(anna), patient=77)
    one, sheet = asks("/fhir/Observation/9", who="anna"), asks("/sheet/7", who="anna")
    classes = [known.class_of(one, NOW) for _ in range(config.OPEN_PATIENT_REQUESTS_MAX + 5)]
    assert classes.count(URGENT) == config.OPEN_PATIENT_REQUESTS_MAX
    assert known.class_of(sheet, NOW) == READ
    assert known.class_of(asks("/fhir/Flag", "POST", "anna"), NOW) == URGENT  # a write of its own right
    assert known.class_of(one, NOW + 11) == URGENT


def test_one_session_is_one_person_whatever_header_it_comes_in() -> None:
    """Broken: after a renewal of its cookie a session has no patient open."""
    anna = session()
    known = Known()
    first, renewed = asks("/sheet/7", cookie="__Host-vaka=1"), asks("/sheet/7", cookie="__Host-vaka=2")
    answered(known, first, person_filter(anna), patient=77)
    assert known.class_of(renewed, NOW) == LOGIN
    answered(known, renewed, person_filter(anna))
    assert known.class_of(renewed, NOW) == URGENT


def test_who_is_refused_is_forgotten() -> None:
    """Broken: an ended session keeps its place before others."""
    anna = session()
    known = door_that_knows(anna=anna)
    answered(known, asks("/sheet/7", who="anna"), person_filter(anna), status=401)
    assert known.class_of(asks("/sheet/7", who="anna"), NOW) == LOGIN


def test_memory_is_bounded_and_the_newest_stay() -> None:
    """Broken: every session of the year is remembered; or everybody is a stranger at once."""
    known = Known(most=100)
    people = {f"p{n}": session(f"P{n}") for n in range(1_000)}
    for name, one in people.items():
        answered(known, asks("/sheet/7", who=name), person_filter(one), patient=1)
    classes = [known.class_of(asks("/sheet/7", who=name), NOW) for name in people]
    assert 75 <= classes.count(URGENT) <= 100
    assert classes[-75:] == [URGENT] * 75
