"""The demo region as it is packaged: everything that a user may rely on."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import orjson
import pytest

from vaka.fhir.luhn import check_digit
from vaka.fhir.parse import parse_resource
from vaka.fhir.validate import validate
from vaka.region import demo
from vaka.region.days import ZONE, midnight
from vaka.region.numbers import is_published_test_number, is_valid
from vaka.web.log_extract import is_public

_PERSONNUMMER = "http://electronichealth.se/identifier/personnummer"
_RESERVE = "urn:oid:1.2.752.97.3.1.3"
_HEAD = re.compile(rb'"resourceType":"(\w+)","id":"([^"]+)"')
_REFERENCE = re.compile(rb'"reference":"([^"]+)"')
_TODAY = date(2026, 11, 23)
_NOW = datetime(2026, 11, 23, 14, 7, tzinfo=ZONE)


@cache
def _texts() -> tuple[bytes, ...]:
    return tuple(demo.resources(_TODAY, _NOW))


@cache
def _resources() -> tuple[dict[str, Any], ...]:
    return tuple(orjson.loads(text) for text in _texts())


def _of(type_: str) -> list[dict[str, Any]]:
    return [resource for resource in _resources() if resource["resourceType"] == type_]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "reference" and isinstance(member, str):
                yield member
            else:
                yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def _key(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def test_every_resource_is_valid() -> None:
    """The record would refuse the rest of its own demo region at the first fault."""
    issues = Counter(
        (issue.message, issue.path) for text in _texts() for issue in validate(parse_resource(text), mode="update")
    )
    assert not issues


def test_every_reference_leads_to_something_above() -> None:
    """A reference that leads nowhere, or ahead, would break loading in order."""
    known: set[str] = set()
    for resource in _resources():
        for reference in _references(resource):
            assert reference in known or reference == _key(resource), (_key(resource), reference)
        assert _key(resource) not in known
        known.add(_key(resource))


def test_no_slot_is_left() -> None:
    """A slot that nobody fills would stand in the record."""
    assert not any("‹".encode() in text or "›".encode() in text for text in _texts())


def test_size_and_variety() -> None:
    """The issue asks for at least 400 patients, about 60 staff, two providers, long records."""
    sizes = Counter(
        (resource.get("subject") or resource.get("patient") or {"reference": ""})["reference"]
        for resource in _resources()
    )
    records = sorted(count for reference, count in sizes.items() if reference)
    assert len(_of("Patient")) >= 400
    assert len(records) == len(_of("Patient"))
    assert 150 <= records[len(records) // 2] <= 300
    assert sum(count > 2000 for count in records) >= 4
    assert 60_000 <= len(_resources()) <= 150_000
    assert len(_of("Practitioner")) >= 60
    assert sum("partOf" not in organization for organization in _of("Organization")) >= 2
    allergies = Counter(one["patient"]["reference"] for one in _of("AllergyIntolerance"))
    assert max(allergies.values()) >= 12


def test_numbers_are_published_test_numbers_and_agree_with_the_person() -> None:
    """A number outside the published range could be somebody's."""
    seen = set()
    for patient in _of("Patient"):
        assert patient["identifier"]
        for identifier in patient["identifier"]:
            number = identifier["value"]
            assert number not in seen
            seen.add(number)
            if identifier["system"] == _PERSONNUMMER:
                assert is_published_test_number(number)
                assert number[:8] == patient["birthDate"].replace("-", "")
                assert int(number[10]) % 2 == (patient["gender"] == "male")
            else:
                assert identifier["system"] == _RESERVE
                assert number.startswith("99")
                assert is_valid(number)
    systems = [{one["system"] for one in patient["identifier"]} for patient in _of("Patient")]
    assert {_RESERVE} in systems
    assert {_RESERVE, _PERSONNUMMER} in systems


def test_providers_say_whether_they_are_public_by_numbers_that_are_nobodys() -> None:
    """A log extract would tell no name in the demo, or that of a private provider's staff; or name a real company."""
    providers = [one for one in _of("Organization") if "partOf" not in one]
    told = {one["id"]: identifier["value"] for one in providers for identifier in one["identifier"] if identifier["system"] == "urn:oid:2.5.4.97"}  # fmt: skip
    assert set(told) == {one["id"] for one in providers}
    assert {one["id"] for one in providers if is_public(one)} == {"region-vikmark", "strandviks-kommun"}
    for number in told.values():
        digits = number.replace("-", "")
        assert len(digits) == 10
        assert check_digit(digits[:9]) != int(digits[9])


def test_somebody_reviews_the_log_of_a_public_and_of_a_private_provider() -> None:
    """Nobody in the demo could look at the pages of the access log."""
    reviewers = [
        role
        for role in _of("PractitionerRole")
        if any(coding.get("code") == "log-reviewer" for code in role["code"] for coding in code.get("coding", ()))
    ]
    assert {role["organization"]["reference"] for role in reviewers} == {"Organization/region-vikmark", "Organization/capella-vard"}  # fmt: skip


def test_protected_identity_has_no_address_of_its_own() -> None:
    """An address in the demo region would show pages that leak it as right (S24)."""
    protected = [patient for patient in _of("Patient") if patient.get("meta", {}).get("security")]
    assert len(protected) >= 5
    for patient in protected:
        assert patient["address"][0]["line"][0] == "Förmedlingsuppdrag"
        assert "telecom" not in patient
        assert "contact" not in patient


def test_owner_of_every_clinical_resource_can_be_told() -> None:
    """Without unit and provider no access rule could decide."""
    units = {_key(one): one for one in _of("Organization")}
    encounters = {_key(one): one["serviceProvider"]["reference"] for one in _of("Encounter")}
    for unit in encounters.values():
        above, steps = units[unit], 0
        while "partOf" in above:
            above, steps = units[above["partOf"]["reference"]], steps + 1
        assert steps == 2  # unit, hospital, provider
    own = {"Patient", "Organization", "Location", "Practitioner", "PractitionerRole", "Appointment", "Consent"}
    for resource in _resources():
        if resource["resourceType"] in own | {"Encounter", "RelatedPerson"}:
            continue
        context = resource.get("encounter") or resource.get("context") or {}
        encounter = context.get("encounter", [context])[0]
        assert encounter.get("reference") in encounters, _key(resource)


def test_stays_of_now_have_begun_and_have_a_bed_each() -> None:
    """Two people in one bed, or one who comes tomorrow, would make the census nonsense."""
    beds: dict[str, str] = {}
    units = Counter[str]()
    for encounter in _of("Encounter"):
        if encounter["status"] != "in-progress":
            assert datetime.fromisoformat(encounter["period"]["end"]) <= _NOW
            continue
        assert datetime.fromisoformat(encounter["period"]["start"]) <= _NOW
        assert encounter["participant"][0]["individual"]["reference"].startswith("PractitionerRole/")
        units[encounter["serviceProvider"]["display"]] += 1
        place = encounter["location"][0]["location"]["reference"]
        if "-plats-" in place:
            assert place not in beds, (place, beds[place], _key(encounter))
            beds[place] = _key(encounter)
    assert units["Akutmottagningen"] >= 10
    assert len(units) >= 12


def test_nothing_has_happened_that_lies_ahead() -> None:
    """A result from this evening would make every age on the page wrong."""
    happened = ("effectiveDateTime", "authoredOn", "issued", "date", "performedDateTime", "occurrenceDateTime")
    for resource in _resources():
        for name in happened:
            if name in resource:
                assert datetime.fromisoformat(resource[name]) <= _NOW, (_key(resource), name)


@pytest.mark.parametrize("clock", ["00:00", "03:30", "23:59"])
def test_whatever_the_hour_references_hold(clock: str) -> None:
    """What is left out because its time has not come must not be referred to."""
    now = datetime.combine(_TODAY, time.fromisoformat(clock), ZONE)
    known: set[bytes] = set()
    for text in demo.resources(_TODAY, now):
        type_, id_ = _HEAD.findall(text)[0]
        known.add(b"%s/%s" % (type_, id_))
        for reference in _REFERENCE.findall(text):
            assert reference in known, (text[:90], reference)


def test_appointments_of_today_and_the_coming_week() -> None:
    """An empty list of who comes today would show nothing of what the lists are for."""
    days = defaultdict[date, list[datetime]](list)
    for appointment in _of("Appointment"):
        start = datetime.fromisoformat(appointment["start"])
        days[start.date()].append(start)
        assert timedelta(0) < datetime.fromisoformat(appointment["end"]) - start <= timedelta(hours=5)
    assert set(days) == {_TODAY + timedelta(days=ahead) for ahead in range(8)}
    assert len(days[_TODAY]) >= 30
    assert all(7 <= start.hour < 16 for starts in days.values() for start in starts)
    assert {start.hour for start in days[_TODAY]} >= set(range(8, 16))


def test_four_states_of_allergies_are_there() -> None:
    """Listed, none known, not recorded: without each of them S3 cannot be seen."""
    codes = defaultdict[str, set[str]](set)
    for allergy in _of("AllergyIntolerance"):
        codes[allergy["patient"]["reference"]].add(allergy["code"]["coding"][0]["code"])
    assert any(found == {"716186003"} for found in codes.values())
    assert any("716186003" not in found for found in codes.values())
    assert not any("716186003" in found and len(found) > 1 for found in codes.values())
    assert len(codes) < len(_of("Patient"))
    verified = {one["verificationStatus"]["coding"][0]["code"] for one in _of("AllergyIntolerance")}
    assert verified == {"confirmed", "unconfirmed"}


def test_what_waits_is_there() -> None:
    """Lists of the unsigned, the unacknowledged and the unanswered would be empty."""
    assert sum(note["docStatus"] == "preliminary" for note in _of("DocumentReference")) >= 20
    assert sum(task["code"]["text"] == "Vidimera svar" for task in _of("Task")) >= 10
    assert sum(referral["status"] == "active" for referral in _of("ServiceRequest")) >= 10
    assert sum(consent["provision"]["type"] == "deny" for consent in _of("Consent")) >= 3
    assert {dose["status"] for dose in _of("MedicationAdministration")} == {"completed", "not-done", "in-progress"}
    assert any(report["status"] == "preliminary" for report in _of("DiagnosticReport"))


def test_small_children_keep_their_age() -> None:
    """A newborn of another year's start would be a child on the maternity ward."""
    girl = next(one for one in _of("Patient") if one["name"][0]["given"] == ["Alma"] and len(one["identifier"]) == 2)
    assert girl["birthDate"] == (_TODAY - timedelta(days=1)).isoformat()
    mother = _of("RelatedPerson")[0]
    assert mother["name"][0]["family"] == girl["name"][0]["family"]
    numbers = {one["value"] for patient in _of("Patient") for one in patient["identifier"]}
    assert mother["identifier"][0]["value"] in numbers


def test_the_same_day_gives_the_same_bytes() -> None:
    """A region that differs from run to run could not be compared, nor loaded twice."""
    first = sha256(b"\n".join(_texts())).hexdigest()
    assert sha256(b"\n".join(demo.resources(_TODAY, _NOW))).hexdigest() == first


def test_another_day_moves_times_and_nothing_else_of_an_adult() -> None:
    """A birth date that moved would part from its personnummer."""
    later = _TODAY + timedelta(days=130)
    wanted = (b'{"resourceType":"Patient"', b'{"resourceType":"Encounter"')
    moved = {
        _key(resource): resource
        for resource in (
            orjson.loads(text) for text in demo.resources(later, midnight(later)) if text.startswith(wanted)
        )
    }
    for patient in _of("Patient"):
        if datetime.fromisoformat(patient["birthDate"]).year < 2020:
            other = moved[_key(patient)]
            assert other["birthDate"] == patient["birthDate"]
            assert other["identifier"] == patient["identifier"]
    for encounter in _of("Encounter"):
        start = datetime.fromisoformat(encounter["period"]["start"])
        other = datetime.fromisoformat(moved[_key(encounter)]["period"]["start"])
        # (The hour from two to three may not exist on one of the days.)
        if (_NOW - start).days > 2 and start.hour != 2 and other.hour != 2:
            assert other.replace(tzinfo=None) - start.replace(tzinfo=None) == timedelta(days=130)
            assert other.utcoffset() == other.astimezone(ZONE).utcoffset()


def test_everything_that_care_consists_of_is_there() -> None:
    """A page or a list for which the demo holds nothing would be shown, and tried, on nothing."""
    units = {one["id"]: one["name"] for one in _of("Organization")}
    parts = Counter(one["partOf"]["reference"] for one in _of("Organization") if "partOf" in one)
    hospitals = [key for key, name in units.items() if name.endswith("sjukhus") and parts[f"Organization/{key}"] >= 3]
    assert len(hospitals) >= 2
    for kind, least in (("Akutmottagning", 2), ("Avdelning", 8), ("mottagning", 8), ("Vårdcentral", 4)):
        assert sum(kind in name for name in units.values()) >= least, kind
    professions = {coding["display"] for role in _of("PractitionerRole") for code in role["code"] for coding in code.get("coding", ())}  # fmt: skip
    assert professions >= {"Läkare", "Sjuksköterska", "Barnmorska", "Fysioterapeut", "Dietist", "Apotekare", "Biomedicinsk analytiker"}  # fmt: skip
    for staff in _of("Practitioner"):
        assert any(one["system"] == "urn:oid:1.2.752.129.2.1.4.1" for one in staff["identifier"])
    notes = [b64decode(one["content"][0]["attachment"]["data"]).decode() for one in _of("DocumentReference")]
    keywords = Counter(line for note in notes for line in note.splitlines() if line.istitle() and " " not in line)
    assert {"Kontaktorsak", "Status", "Bedömning", "Planering"} <= set(keywords)
    kinds = Counter(one["type"]["text"] for one in _of("DocumentReference"))
    assert len([kind for kind, count in kinds.items() if count >= 10]) >= 5, kinds
    years = defaultdict[str, set[str]](set)
    for result in _of("Observation"):
        if result["category"][0]["coding"][0]["code"] == "laboratory":
            years[result["subject"]["reference"]].add(result["effectiveDateTime"][:4])
    assert sum(len(found) >= 5 for found in years.values()) >= 80
    flags = {one["code"]["text"] for one in _of("Flag")}
    assert len(flags) >= 4, flags
    orders = Counter(one["category"][0]["text"] for one in _of("ServiceRequest"))
    assert min(orders["Remiss"], orders["Bilddiagnostik"]) >= 50
    imaging = [one for one in _of("DiagnosticReport") if any(each.get("text") == "imaging" for each in one["category"])]
    assert len(imaging) >= 50
    assert all(one.get("conclusion") or one.get("presentedForm") for one in imaging if one["status"] == "final")
    given = Counter(one["subject"]["reference"] for one in _of("MedicationAdministration") if one["status"] == "completed")  # fmt: skip
    assert sum(count >= 10 for count in given.values()) >= 20


def test_it_is_packaged_in_one_small_file() -> None:
    """The package would grow by what nobody asked for; or `vaka up --demo` would need a network."""
    assert 100_000 < (files("vaka.region") / "region.ndjson.zst").stat().st_size < 5_000_000  # type: ignore[attr-defined]
