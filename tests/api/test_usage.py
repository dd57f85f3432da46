"""Unusual use, over HTTP: an alarm in the log, and a limit for changes that leaves reading alone."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from tests.api.records import Ward
from tests.client import Api, fresh, outcome
from tests.conftest import Instance

from vaka import config


@pytest.fixture
def clinician(person: Callable[..., Api], api: Api) -> tuple[Api, Ward, str]:
    """Somebody who has done nothing yet, the ward, and how the log calls that person."""
    ward, name = Ward(api), f"SE-usage-{fresh()}"
    return person(person=name, practitioner=fresh(), unit=ward.unit, provider=ward.provider), ward, f"person:{name}"


def alarms(journal: Instance, who: str) -> list[str]:
    told = (journal.data / "log" / "journal.jsonl").read_bytes().splitlines()
    lines = [orjson.loads(line) for line in told if b"alarm: unusual use" in line]
    return [line["about"] for line in lines if line["who"] == who]


def test_who_tries_ids_raises_an_alarm(journal: Instance, clinician: tuple[Api, Ward, str]) -> None:
    """Broken: somebody asks for ids all night, and nobody hears of it before the next review (ASVS 8.1.4, 11.1.7, 11.1.8)."""
    api, ward, who = clinician
    for _ in range(config.HOURLY_REFUSALS_TOLD):
        assert api.get(f"/Patient/{fresh()}").status_code == 404
    assert alarms(journal, who) == []
    for _ in range(3):
        assert api.get(f"/Patient/{fresh()}").status_code == 404
    assert alarms(journal, who) == ["refusals"]
    assert api.get(f"/Patient/{ward.patient}").status_code == 200


@pytest.mark.slow
def test_changes_without_end_are_refused_and_reading_is_not(clinician: tuple[Api, Ward, str]) -> None:
    """Broken: a script with somebody's session writes all day (ASVS 11.1.3); or its owner cannot read meanwhile."""
    api, ward, _ = clinician
    for _ in range(config.HOURLY_PERSON_CHANGES_MAX):
        assert api.post("/Patient", content=b"{").status_code == 400
    refused = api.post("/Patient", content=b"{")
    assert 0 < int(refused.headers["retry-after"]) <= 3_600
    assert outcome(refused, 429)[0]["code"] == "throttled"
    assert api.get(f"/Patient/{ward.patient}").status_code == 200
    assert api.post("/Patient/_search", data={"_id": ward.patient}).status_code == 200
    assert api.post(f"/Patient/{ward.patient}/$open", json={"resourceType": "Parameters"}).status_code == 400
