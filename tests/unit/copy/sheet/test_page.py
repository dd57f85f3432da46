"""A page for one reader: the states in words, identity, age of the data, escaping, what ends."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.unit.copy.sheet.building import NOW_US, READER, WHO, as_html, as_json, concept, made, owned, section

from vaka.copy.sheet import clock
from vaka.copy.sheet.identity import Identity, identity
from vaka.copy.sheet.page import Hidden
from vaka.copy.sheet.render import macro
from vaka.copy.sheet.sections import SECTIONS
from vaka.copy.snapshot.about import NOTICE
from vaka.copy.unit_page import html_of
from vaka.store.sheet import Worklists

ALLERGY = {"resourceType": "AllergyIntolerance", "code": concept("Penicillin")}
NONE = {"resourceType": "AllergyIntolerance", "code": concept("No known allergy", "716186003"), "recordedDate": "2026-01-02",
        "recorder": {"reference": "Practitioner/x", "display": "Eva Ek"}}  # fmt: skip
WITHHELD = Hidden(frozenset({"alert"}))


def part(page: str, name: str) -> str:
    """The HTML of a section."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.S)
    assert found, page
    return found[0]


@pytest.mark.parametrize(
    ("resources", "hidden", "says", "says_not"),
    [
        ([ALLERGY], Hidden(), ["Penicillin"], ["Nothing is recorded", "None known", "withheld"]),
        ([NONE], Hidden(), ["None known", "Eva Ek", "2026-01-02"], ["Nothing is recorded", "withheld"]),
        ([], Hidden(), ["Nothing is recorded. That is not the same as none."], ["None known", "withheld"]),
        ([], WITHHELD, ["Information is withheld"], ["None known", "Nothing is recorded"]),
        ([NONE], WITHHELD, ["Information is withheld"], ["<strong>None known</strong>", "Nothing is recorded"]),
        ([ALLERGY], WITHHELD, ["Penicillin", "Information is withheld"], ["None known", "Nothing is recorded"]),
        ([], Hidden(closed=True), ["no care relation"], ["None known", "Nothing is recorded"]),
        ([ALLERGY, NONE], Hidden(), ["Penicillin"], ["<strong>None known</strong>"]),
    ],
)  # fmt: skip
def test_the_four_states_in_words(
    resources: list[dict[str, Any]], hidden: Hidden, says: list[str], says_not: list[str]
) -> None:
    """Would break: a reader takes what is hidden or not recorded for none (S3)."""
    found = part(as_html(owned(made(*resources)), hidden=hidden), "allergies")
    assert all(each in found for each in says), found
    assert not any(each in found for each in says_not), found


def test_every_section_stands_in_the_order_of_clinical_md() -> None:
    """Would break: what a clinician needs first stands below what comes last."""
    page = as_html(owned(made(ALLERGY)))
    assert re.findall(r'<section id="(\w+)"', page) == [each.name for each in SECTIONS]
    assert [each.item for each in SECTIONS] == sorted(each.item for each in SECTIONS)
    assert [each["name"] for each in as_json(owned(made(ALLERGY), form="json"))["sections"]] == [
        each.name for each in SECTIONS
    ]


def test_date_time_and_age_in_words_and_two_identifiers() -> None:
    """Would break: "as of 14:03" misleads on the second day (S2); a printed page found later is nobody's (S7)."""
    who = identity("p1", b'{"resourceType":"Patient","birthDate":"1948-03-14","name":[{"given":["Rolf"],"family":"Lindberg"}],'
                   b'"identifier":[{"system":"http://electronichealth.se/identifier/personnummer","value":"194803149816"}]}')  # fmt: skip
    fresh = as_html(who=who)
    assert "Sunday 2026-11-29 14:02" in fresh
    assert "less than a minute old" in fresh
    assert "cannot be reached" not in fresh
    late = as_html(who=who, reader=replace(READER, as_of_us=NOW_US - 50 * 3_600_000_000, age_s=50 * 3600.0, away=True))
    assert "Friday 2026-11-27 12:03" in late
    assert "2 days old" in late
    assert "The journal cannot be reached." in late
    running = re.search(r'<p class="running">.*?</p>', late, re.S)
    assert running is not None
    assert all(
        each in running[0]
        for each in ("Rolf Lindberg", "19480314-9816", "Friday 2026-11-27 12:03", "Sunday 2026-11-29 14:03")
    )
    assert "78 years" in late


def test_a_time_that_comes_twice_has_its_offset() -> None:
    """Would break: at the end of summer time nobody can tell which 02:30 a page is of (S6)."""
    second = 1_792_888_200_000_000  # 2026-10-25T00:30:00Z
    assert clock.in_words(second, "en") == "Sunday 2026-10-25 02:30 (+0200)"
    assert clock.in_words(second + 3_600_000_000, "en") == "Sunday 2026-10-25 02:30 (+0100)"
    assert clock.in_words(second + 7_200_000_000, "en") == "Sunday 2026-10-25 03:30"


@pytest.mark.parametrize(
    ("born", "says"),
    [
        ("2026-11-28", "1 day"), ("2026-11-27", "2 days"), ("2026-10-29", "1 month"), ("2026-09-30", "1 month"), ("2025", "about 1 year"), ("2024-12-01", "23 months"), ("2024-11-29", "2 years"),
        ("1948-11-30", "77 years"), ("1948", "about 78 years"), ("2027-01-01", ""), ("2026-02-31", ""), ("x", ""), ("", ""),
    ],
)  # fmt: skip
def test_ages(born: str, says: str) -> None:
    """Would break: a child's dose by a wrong age; a page fails on a date that is none."""
    assert clock.age(born, date(2026, 11, 29), "en") == says


def test_one_is_told_as_one() -> None:
    """Would break: of one it is told as of many, which reads as if something were wrong."""
    for language, says in (("en", "1 more is left out here"), ("sv", "Ytterligare 1 får inte plats här")):
        assert says in macro(language, "frame.html", "more", 1)
    assert "2 more are left out here" in macro("en", "frame.html", "more", 2)
    for count, says in ((1, "1 patient is being fetched"), (2, "2 patients are being fetched")):
        assert says in html_of(Worklists("u1", "A", [], coming_in=count), READER).decode()
    assert clock.age("2026-11-28", date(2026, 11, 29), "sv") == "1 dag"


def test_nothing_of_a_resource_is_markup() -> None:
    """Would break: a script in a name runs in a clinician's browser."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    flag = {
        "resourceType": "Flag",
        "status": "active",
        "code": {"text": evil},
        "author": {"reference": "Practitioner/x", "display": evil},
    }
    who = Identity("p1", evil, reach=evil, address=evil, contacts=(evil,), clinic=evil)
    page = as_html(
        owned(made({**ALLERGY, "code": {"text": evil}}, flag), label=evil),
        who=who,
        reader=replace(READER, name=evil, unit=evil),
    )
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") >= 8


def test_what_cannot_be_shown_is_counted_and_is_not_none() -> None:
    """Would break: a broken allergy is left out, and the list says none (S4)."""
    broken = made({**NONE, "id": "a"}, {"resourceType": "AllergyIntolerance", "code": concept("x")})
    broken = replace(broken, broken={"allergies": 1})
    found = part(as_html(owned(broken)), "allergies")
    assert "1 item cannot be shown." in found
    assert "<strong>None known</strong>" not in found
    assert "2 items cannot be shown." in as_html(aside=2)


def test_what_ends_is_shown_until_then_alone() -> None:
    """Would break: yesterday's isolation or visit stands as today's, in what was joined before."""
    flag = {
        "resourceType": "Flag",
        "status": "active",
        "code": concept("Droppsmitta"),
        "period": {"end": "2026-11-29T15:00:00+01:00"},
    }
    found = made(flag)
    at = [replace(READER, now_us=NOW_US + minutes * 60_000_000) for minutes in (0, 56, 58)]
    assert ["Droppsmitta" in as_html(owned(found), reader=each) for each in at] == [True, True, False]
    assert section(as_json(owned(found, form="json"), reader=at[2]), "alerts")["state"] == "not-recorded"


def test_the_readers_own_unit_stands_first() -> None:
    """Would break: the newest of one's own ward stands below old papers of another."""
    mine, other = owned(made(ALLERGY), label="Mine", own=True, newest=1), owned(made(ALLERGY), label="Other", newest=99)
    page = part(as_html(other, mine), "allergies")
    assert page.index("Mine") < page.index("Other")


def test_a_dead_a_protected_and_an_old_record_say_so() -> None:
    """Would break: a letter to the dead; an address told; entries made in a record that goes on in another."""
    page = as_html(
        who=replace(WHO, dead=True, died="2026-11-01", protected=True, inactive=True, goes_on_in="Patient/p2")
    )
    for each in ("Dead", "2026-11-01", "Protected identity.", "This record is not in use.", "Patient/p2"):
        assert each in page
    assert "78 years" not in page
    assert identity("p1", b"[]").broken
    assert "cannot be shown" in as_html(who=identity("p1", b"{"))


def test_overdue_is_said_in_words() -> None:
    """Would break: colour alone tells that a dose is overdue; "unknown" looks like "not given" (S11)."""
    order = {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "medicationCodeableConcept": concept("Alvedon"),
        "authoredOn": "2026-01-01", "category": [{"coding": [{"code": "inpatient"}]}],
        "dosageInstruction": [{"timing": {"repeat": {"timeOfDay": ["08:00:00"]}}}],
    }  # fmt: skip
    page = part(as_html(owned(made(order), "medication")), "doses")
    assert "overdue" in page
    uncertain = part(as_html(owned(made(order), "medication"), reader=replace(READER, certain=False)), "doses")
    assert "unknown whether given" in uncertain
    assert "overdue" not in uncertain
    assert "ask before you give" in uncertain


def test_a_notice_can_tell_a_time() -> None:
    """Would break: a ward snapshot's pages do not say until when they count, or in another language than the page."""
    notice = (NOTICE, NOW_US)
    shown = as_html(reader=replace(READER, notices=(notice, "x")))
    assert "It may be used until Sunday 2026-11-29 14:03." in shown
    swedish = as_html(reader=replace(READER, language="sv", notices=(notice,)))
    assert "Den får användas till söndag 2026-11-29 14:03." in swedish
    assert as_json(reader=replace(READER, notices=(notice,)))["notices"][0].endswith("14:03.")
