"""What professions and tasks allow, and for what."""

from __future__ import annotations

from datetime import date
from itertools import takewhile
from typing import Any

import orjson
import pytest

from vaka.access.professions import LICENCE, PURPOSE, TASK, purpose_of, rights_of, title_of
from vaka.access.session import CLINICIAN, Purpose, Right
from vaka.region import demo


def role(*codings: tuple[str, str], text: str | None = None, **members: Any) -> dict[str, Any]:
    concept: dict[str, Any] = {"coding": [{"system": system, "code": code} for system, code in codings]}
    return {"resourceType": "PractitionerRole", "code": [concept | ({"text": text} if text else {})], **members}


@pytest.mark.parametrize(
    ("given", "rights"),
    [
        (role((LICENCE, "LK")), CLINICIAN | {Right.LIFT}),
        (role((LICENCE, "SJ")), CLINICIAN),
        (role((LICENCE, "BA")), {Right.READ, Right.WRITE, Right.SIGN}),
        (role(text="Undersköterska"), {Right.READ, Right.WRITE, Right.SIGN}),
        (role(text="MEDICINSK SEKRETERARE"), {Right.READ, Right.WRITE}),
        (role((TASK, "log-reviewer")), {Right.LOG}),
        (role((TASK, "redaction")), {Right.READ, Right.REDACT}),
        (role((LICENCE, "SJ"), (TASK, "log-reviewer")), CLINICIAN | {Right.LOG}),
        (role(), set()),
        ({}, set()),
        (role((LICENCE, "XX"), text="Trädgårdsmästare"), set()),
        (role(("http://example.org", "LK")), set()),
        (role((TASK, "LK")), set()),
        (role((LICENCE, "redaction")), set()),
        (role((LICENCE, "lk")), set()),
        (role(text="Läkare"), set()),
    ],
)
def test_rights(given: dict[str, Any], rights: set[Right]) -> None:
    """Would break: somebody may more than the work needs; or what is not known opens something."""
    assert rights_of(given) == frozenset(rights)


def test_nobody_has_the_rare_rights_by_profession() -> None:
    """Would break: removing, merging, seeing the log or protected addresses comes with a licence alone."""
    rare = {Right.PROTECTED, Right.IDENTITY, Right.LOG, Right.REDACT}
    from vaka.access.professions import LICENSED, UNLICENSED

    assert not any(rights & rare for rights in (*LICENSED.values(), *UNLICENSED.values()))


@pytest.mark.parametrize(
    ("extension", "purpose"),
    [
        ([], Purpose.CARE), ([{"url": "http://example.org", "valueCode": "quality"}], Purpose.CARE),
        ([{"url": PURPOSE, "valueCode": "quality"}], Purpose.QUALITY), ([{"url": PURPOSE, "valueCode": "research"}], None),
        ([{"url": PURPOSE}], None),
    ],
)  # fmt: skip
def test_purpose(extension: list[dict[str, str]], purpose: Purpose | None) -> None:
    """Would break: an assignment for something that no rule knows counts as care."""
    assert purpose_of({"extension": extension}) == purpose


def test_everybody_of_the_demo_region_can_work() -> None:
    """Would break: somebody is offered on the demo's login page, and has no assignment."""
    staff = [
        orjson.loads(text)
        for text in takewhile(lambda text: b'"resourceType":"Patient"' not in text, demo.resources(date(2026, 1, 1)))
        if b'"resourceType":"PractitionerRole"' in text
    ]
    assert len(staff) > 100
    assert not [one["id"] for one in staff if not rights_of(one) or not title_of(one)]
