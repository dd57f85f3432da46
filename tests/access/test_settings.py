"""Points of law: where an operator switches them on, what each opens, and that a start says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
import psycopg
import pytest
from bench.running import running
from tests.access.wards import Ward, agreement, ward
from tests.client import Api, outcome
from tests.conftest import Instance
from tests.recovery.running import SETUP, vaka

from vaka.access.session import CLINICIAN, Right
from vaka.access.settings import NAMES, settings_of
from vaka.errors import Setup
from vaka.journal import cluster

__all__ = ["ward"]
DANGER = {"reason": "unconscious, bleeding", "no_consent": "cannot be asked now"}
LACKS = {"reason": "dementia, assessed by a physician", "no_consent": "a daughter says that she was never against it"}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A server where everything is on."""
    arguments = [part for name in NAMES for part in ("--law", f"{name}=on")]
    with running(tmp_path_factory.mktemp("law") / "data", *arguments) as started:
        yield Instance(started.url, started.data)


@pytest.fixture(scope="module")
def api(journal: Instance) -> Iterator[Api]:
    with Api(journal.url, journal.token("tests")) as made:
        yield made


@pytest.fixture(scope="module")
def person(journal: Instance) -> Callable[..., Api]:
    return lambda **who: Api(journal.url, journal.session(**who))


def test_an_emergency_opens_an_outer_block_where_the_region_says_so(ward: Ward) -> None:
    """Breaks if the switch does not reach the rules, or opens an inner block too (S21)."""
    ward.api.make(agreement(ward, "w", deny="outer"))
    ward.api.make(agreement(ward, "v", deny="inner"))
    mine = ward.at("u")
    assert ward.open(mine, "emergency", **DANGER).status_code == 201
    assert ward.sees(mine, "w")
    assert not ward.sees(mine, "v")


def test_incapacity_stands_for_consent_where_the_region_says_so(ward: Ward) -> None:
    """Breaks if the ground opens without a care relation, without its reasons, for others, or through a block (S25)."""
    mine, stranger = ward.at("u"), ward.at("v")
    outcome(ward.open(mine, "incapacity", "q"), 400)
    outcome(ward.open(mine, "incapacity", "q", reason=LACKS["reason"]), 400)
    outcome(ward.open(mine, "incapacity", "q", hours=13, **LACKS), 400)
    outcome(ward.open(ward.at("u", "n", rights=frozenset({Right.READ, Right.WRITE})), "incapacity", "q", **LACKS), 403)
    assert not ward.sees(mine, "w")
    for who in (mine, stranger):
        assert ward.open(who, "incapacity", "q", **LACKS).status_code == 201
    assert ward.sees(mine, "w")
    assert not ward.sees(mine, "v"), "the own provider's other units are opened by a choice"
    assert not ward.sees(stranger, "w"), "no care relation"
    assert not ward.sees(ward.at("u", "k"), "w"), "one person's opening is nobody else's"
    ward.api.make(agreement(ward, "w", deny="outer"))
    assert not ward.sees(mine, "w")


def test_what_is_open_is_told(journal: Instance, api: Api) -> None:
    """Breaks if a region runs with a rule open and neither status nor the access log says so."""
    told = vaka("status", "--json", "--data", journal.data)
    assert orjson.loads(told.stdout)["law"] == dict.fromkeys(NAMES, True)
    assert all(name in vaka("status", "--data", journal.data).stdout for name in NAMES)
    shown = vaka("log", "show", "--activity", "law", "--json", "--data", journal.data).stdout
    assert f"{NAMES[0]}=off" in shown
    assert f"{NAMES[0]}=on" in shown
    with psycopg.connect(cluster.at(journal.data / "pg").dsn()) as connection:
        row = connection.execute("SELECT value FROM fact WHERE name = 'law'").fetchone()
    assert row == (settings_of(f"{name}=on" for name in NAMES).text,)


@pytest.mark.parametrize(
    "given",
    [["outer_block=on"], [f"{NAMES[0]}=yes"], [f"{NAMES[0]}"], [""], [f"{NAMES[0]}=on", f"{NAMES[0]}=off"]],
    ids=["unknown", "no switch", "no value", "empty", "twice"],
)
def test_a_bad_value_refuses_the_start(given: list[str], journal: Instance) -> None:
    """Breaks if a misspelt switch starts with a rule that nobody chose."""
    with pytest.raises(Setup):
        settings_of(given)
    refused = vaka("up", "--data", journal.data.with_name("other"), *(p for text in given for p in ("--law", text)))
    assert refused.returncode == SETUP
    assert "--law" in refused.stderr
    assert not journal.data.with_name("other").exists()


def test_off_is_off() -> None:
    """Breaks if ``off`` opens, or the default is another than the closed choice."""
    assert settings_of([f"{name}=off" for name in NAMES]) == settings_of([])
    assert not any(f"{name}=on" in settings_of([]).text for name in NAMES)
    assert {Right.CONSENT} <= CLINICIAN
