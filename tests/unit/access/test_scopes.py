"""Scopes of programs: what is read, what is refused, and what lies within what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.access.filter import FULL, program_filter
from vaka.access.scopes import ALL, LETTERS, Grant, may, parse_scope, parse_scopes, within
from vaka.errors import Invalid

LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("system/Observation.rs", Grant("Observation", frozenset("rs"))),
        ("system/*.cruds", Grant("*", ALL)),
        ("system/*.*", Grant("*", ALL)),
        ("system/Patient.read", Grant("Patient", frozenset("rs"))),
        ("system/Patient.write", Grant("Patient", frozenset("cud"))),
        (
            "system/Observation.rs?category=laboratory",
            Grant("Observation", frozenset("rs"), (("category", "laboratory"),)),
        ),
        (
            "system/Observation.c?status=final&category=laboratory",
            Grant("Observation", frozenset("c"), (("category", "laboratory"), ("status", "final"))),
        ),
        (
            f"system/Observation.r?category={LABORATORY}",
            Grant("Observation", frozenset("r"), (("category", LABORATORY),)),
        ),
        ("system/*.rs?_security=N", Grant("*", frozenset("rs"), (("_security", "N"),))),
    ],
)
def test_a_scope_is_read(text: str, grant: Grant) -> None:
    """Broken: a scope means something else than the standard says."""
    assert parse_scope(text) == grant
    assert parse_scope(grant.text) == grant


@pytest.mark.parametrize(
    "text",
    [
        "", "system/", "system/Observation", "system/Observation.", "patient/Observation.rs", "user/*.rs", "launch", "openid",
        "system/observation.rs", "system/Observations.rs", "system/Patient.sr", "system/Patient.rr", "system/Patient.x",
        "system/Patient.rs*", "system/Patient.**", "system/Patient.read.write", "system/*.rs?category=laboratory",
        "system/Observation.rs?", "system/Observation.rs?category", "system/Observation.rs?category=",
        "system/Observation.rs?nonsense=1", "system/Observation.rs?subject:Patient.name=x", "system/Observation.rs?subject.name=x",
        "system/Patient.rs?_has:Observation:patient:code=1", "system/Observation.rs?category:not=laboratory",
        "system/Observation.rs?category:missing=true", "system/Observation.rs?category:in=http://x",
        "system/Observation.rs?_lastUpdated=gt2020", "system/Observation.rs?_count=1", "system/Observation.rs?_sort=date",
        "system/Observation.rs?_include=*", "system/Observation.rs?_content=x", "system/Observation.rs?_filter=x",
        "system/Observation.rs?date=ap2024", "system/Observation.rs?date=neverever", "system/Observation.read?category=x",
        "system/Observation.*?category=x", "system/Observation.rs?category=%ff", "system/Observation.rs?category=a\u0000b",
        "system/Observation.rs?category=" + "x" * 500, "SYSTEM/Patient.rs", "system/Patient.rs ", "system/Patient.RS",
        "system/*/*.rs", "system/Patient/1.rs", "system/Resource.rs", "system/DomainResource.rs", "system/Patient.rs#x",
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_refused(text: str) -> None:
    """Broken: a scope that is not understood is ignored, or taken for something wider."""
    with pytest.raises(Invalid) as refused:
        parse_scope(text)
    assert refused.value.help


def test_a_list_is_refused_as_a_whole() -> None:
    """Broken: of several scopes the bad one is left out in silence."""
    with pytest.raises(Invalid):
        parse_scopes("system/Patient.rs system/Patient.zz")
    grants, others = parse_scopes("feed system/Patient.rs system/Patient.rs")
    assert len(grants) == 1
    assert others == {"feed"}


@pytest.mark.parametrize(
    ("asked", "held", "answer"),
    [
        ("system/Observation.r", "system/Observation.rs", True),
        ("system/Observation.rs", "system/Observation.r", False),
        ("system/Observation.rs", "system/Observation.r system/*.s", True),
        ("system/Observation.rs", "system/*.*", True),
        ("system/*.rs", "system/Observation.rs", False),
        ("system/*.*", "system/*.cruds", True),
        ("system/Observation.read", "system/Observation.rs", True),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs", True),
        ("system/Observation.rs", "system/Observation.rs?category=laboratory", False),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs?category=laboratory,imaging", True),
        ("system/Observation.rs?category=laboratory,imaging", "system/Observation.rs?category=laboratory", False),
        ("system/Observation.rs?category=imaging", "system/Observation.rs?category=laboratory", False),
        ("system/Observation.rs?category=laboratory&status=final", "system/Observation.rs?category=laboratory", True),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs?category=laboratory&status=final", False),
        ("system/Observation.rs?status=final&category=laboratory", "system/Observation.rs?category=laboratory&status=final", True),
        ("system/Observation.cruds", "system/Observation.rs system/Observation.cud?status=final", False),
    ],
)  # fmt: skip
def test_within_is_decided_by_meaning(asked: str, held: str, answer: bool) -> None:
    """Broken: a program gets more than is registered, or is refused the same thing in other words."""
    assert within(parse_scope(asked), parse_scopes(held)[0]) is answer


def test_full_rights_are_a_meaning_not_a_text() -> None:
    """Broken: all rights in other words are another thing; or a provider's program gets everybody's."""
    assert program_filter("x", "system/*.*").full
    assert program_filter("x", "system/*.rs system/*.cud").full
    assert not program_filter("x", "system/*.rs").full
    assert not program_filter("x", "system/*.*", "provider-1").full
    assert FULL not in program_filter("x", "system/*.*", "provider-1").scopes


def observation(*categories: str, status: str = "final") -> dict[str, object]:
    coded = [{"coding": [{"system": LABORATORY.partition("|")[0], "code": code}]} for code in categories]
    return {"resourceType": "Observation", "id": "1", "status": status, "category": coded, "code": {"text": "x"}}


def test_a_resource_is_judged_as_it_stands() -> None:
    """Broken: what lies outside a scope's query is taken for inside."""
    grants, _ = parse_scopes("system/Observation.rs?category=laboratory&status=final system/Patient.r")
    assert may(grants, "r", observation("laboratory"))
    assert may(grants, "s", observation("vital-signs", "laboratory"))
    assert not may(grants, "u", observation("laboratory"))
    assert not may(grants, "r", observation("vital-signs"))
    assert not may(grants, "r", observation())
    assert not may(grants, "r", observation("laboratory", status="preliminary"))
    assert not may(grants, "s", {"resourceType": "Patient"})
    assert not may(grants, "r", {"resourceType": "Condition"})


@given(
    st.lists(st.sampled_from(LETTERS), unique=True, min_size=1),
    st.sampled_from(["Observation", "Patient", "*"]),
    st.lists(st.sampled_from(["_id=1", "_id=1,2", "_tag=x"]), unique=True, max_size=2),
)
def test_the_one_form_is_stable(letters: list[str], type_: str, query: list[str]) -> None:
    """Broken: a token's scope means another thing when it comes back than when it was granted."""
    written = "".join(letter for letter in LETTERS if letter in letters)
    grant = parse_scope(f"system/{type_}.{written}" + ("?" + "&".join(query) if query else ""))
    assert parse_scope(grant.text) == grant
    assert within(grant, [parse_scope(grant.text)])


@given(st.text(max_size=60))
def test_nothing_but_invalid_is_raised(text: str) -> None:
    """Broken: some text of a scope ends in a fault."""
    for scope in (text, f"system/{text}", f"system/Observation.rs?{text}"):
        try:
            parse_scope(scope)
        except Invalid:
            continue
