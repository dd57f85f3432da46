"""Which of several results of a laboratory is the current one."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from vaka.fhir.laboratory import identifiers, is_same, says_the_same, superseded, takes_back

NUMBER = {"system": "urn:lab", "value": "17"}


def result(status: str, issued: str | None = None, **members: Any) -> dict[str, Any]:
    made = {
        "resourceType": "Observation", "status": status, "code": {"coding": [{"system": "npu", "code": "NPU03230"}]},
        "identifier": [NUMBER], **members,
    }  # fmt: skip
    return made | ({"issued": issued} if issued else {})


@pytest.mark.parametrize(
    ("entered", "standing", "is_refused", "is_refused_knowingly"),
    [
        (result("preliminary"), result("final"), True, True),
        (result("registered"), result("corrected"), True, True),
        (result("unknown"), result("final"), True, True),
        (result("preliminary"), result("entered-in-error"), True, True),
        (result("preliminary", identifier=None), result("final", identifier=None), True, True),
        (result("final"), result("preliminary"), False, False),
        (result("preliminary"), result("registered"), False, False),
        (result("registered"), result("preliminary"), True, False),
        (result("final"), result("corrected"), True, False),
        (result("final"), result("entered-in-error"), True, False),
        (result("final", identifier=None), result("corrected"), False, False),
        (result("final"), result("final"), False, False),
        (result("final", "2026-11-01T10:00:00Z"), result("final", "2026-11-01T11:00:00Z"), True, False),
        (result("final", "2026-11-01T10:00:00Z"), result("final", "2026-11-01T11:00:00+01:00"), False, False),
        (result("corrected", "2026-11-01T10:00:00Z"), result("final", "2026-11-01T11:00:00Z"), False, False),
        ({"resourceType": "Composition", "status": "preliminary"}, {"resourceType": "Composition", "status": "final"}, False, False),
    ],
)  # fmt: skip
def test_what_takes_a_result_back(entered: Any, standing: Any, is_refused: bool, is_refused_knowingly: bool) -> None:
    """Would break S16: a late message would stand in a later one's place; or a person could correct nothing."""
    assert takes_back(entered, standing, seen=False) is is_refused
    assert takes_back(entered, standing, seen=True) is is_refused_knowingly


def test_a_number_of_several_analyses_hides_none_of_them() -> None:
    """Would break: a laboratory that gives all of a sample one number would have its preliminary potassium hidden by a final sodium."""
    sodium, potassium = result("final"), result("preliminary", code={"coding": [{"system": "npu", "code": "NPU03429"}]})
    assert not is_same(sodium, potassium)
    assert superseded([("1", sodium), ("2", potassium)]) == set()
    assert identifiers(result("final", identifier=[{"value": "17"}])) == [], "a number of nobody's identifies nothing"
    assert not is_same(result("final", code={}), result("final", code={})), "of what is not said nothing is known"
    assert is_same(result("final", code={"text": "Natrium "}), result("final", code={"text": "natrium"}))


def test_the_order_of_arrival_makes_no_difference_and_one_is_always_left() -> None:
    """Would break: which result is shown depends on which came first; or none is."""
    three = [result("preliminary"), result("final"), result("corrected")]
    for order in permutations(range(3)):
        assert superseded([(f"{place}", three[n]) for place, n in enumerate(order)]) == {
            f"{place}" for place, n in enumerate(order) if n != 2
        }
    statuses = ("registered", "preliminary", "unknown", "final", "cancelled", "amended", "entered-in-error", "nonsense")
    times = (None, "2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z", "no time")
    every = [
        (f"{s} {t}", result(s, t, identifier=[NUMBER, {"system": "b", "value": t}])) for s in statuses for t in times
    ]
    past = superseded(every)
    assert {name for name, _ in every} - past == {"entered-in-error 2026-11-01T11:00:00Z"}
    assert superseded(reversed(every)) == past


def test_of_the_same_twice_one_is_shown_and_of_two_that_differ_both() -> None:
    """Would break: a replay would be read as a second sample of the same value; or one of two values would be hidden."""
    one, again = (
        result("final", valueInteger=4, id="a"),
        result("final", valueInteger=4, id="b", meta={"versionId": "1"}),
    )
    other = result("final", valueInteger=5)
    assert says_the_same(one, again)
    assert superseded([("b", again), ("a", one)]) == {"b"}
    assert superseded([("a", one), ("c", other)]) == set()


def test_nothing_hostile_raises() -> None:
    """Would break: one odd resource would take a patient's results along (S4)."""
    deep: Any = []
    for _ in range(600):
        deep = [deep]
    odd: list[Any] = [
        result("final", extension=deep, id="x"), result("final", extension=deep, id="y"),
        result("final", identifier=NUMBER), result("final", identifier=[None, 5, {"system": {}, "value": []}]),
        result("final", code=[1]), result("final", code={"coding": {"code": 1}}), result({}, 5), {},  # type: ignore[arg-type]
    ]  # fmt: skip
    assert superseded((str(n), one) for n, one in enumerate(odd)) == set()
