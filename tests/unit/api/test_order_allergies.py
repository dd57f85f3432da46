"""An order and the allergies that are known: what is met, and what cannot be said (S12). api/reserve/allergies.py."""

from __future__ import annotations

from typing import Any

import pytest

from vaka.api.reserve.allergies import Checked, concepts, meets

ATC = "http://www.whocc.no/atc"


def coded(code: str, text: str = "", system: str = ATC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


@pytest.mark.parametrize(
    ("allergy", "order", "met"),
    [
        (coded("J01CE02"), coded("J01CE02"), True),
        (coded("J01C"), coded("J01CA04"), True),
        (coded("J01CA04"), coded("J01C"), True),
        (coded("J01C"), coded("J01DB01"), False),
        (coded("J01C", system="urn:other"), coded("J01CA04", system="urn:other"), False),
        ({"text": "Penicillin"}, {"text": "penicillin V 1 g"}, True),
        ({"text": "Penicillin"}, {"coding": [{"display": "Fenoximetylpenicillin"}]}, False),
        ({"text": "Jordnöt"}, {"text": "Alvedon 500 mg"}, False),
        ({"text": "500 mg"}, {"text": "Alvedon 500 mg"}, False),
        (None, coded("J01C"), False),
    ],
)
def test_codes_groups_and_words_are_compared(allergy: Any, order: dict[str, Any], met: bool) -> None:
    """Would break: penicillin ordered for who does not bear it, without a word; or a warning that nobody believes any more."""
    assert meets({"code": allergy}, list(concepts({"medicationCodeableConcept": order}))) is met


def test_ingredients_substances_and_devices_are_looked_at() -> None:
    """Would break: what the drug is made of, or what caused the reaction, would not be compared."""
    medication = {"resourceType": "Medication", "ingredient": [{"itemCodeableConcept": {"text": "Laktos"}}]}
    order = {"medicationReference": {"reference": "#m"}, "contained": [{"id": "m", **medication}]}
    lactose = {"code": {"text": "Mjölk"}, "reaction": [{"substance": {"text": "laktos"}}]}
    assert meets(lactose, list(concepts(order)))
    assert meets(lactose, list(concepts({"medicationReference": {"reference": "Medication/m"}}, medication)))
    assert meets({"code": {"text": "Latex"}}, list(concepts({"codeCodeableConcept": {"text": "Kateter, latex"}})))


@pytest.mark.parametrize(
    "odd", [{}, {"code": 7}, {"code": {"coding": 7}}, {"code": {"coding": [7]}}, {"reaction": [7]}]
)
def test_odd_allergies_are_no_fault(odd: dict[str, Any]) -> None:
    """Would break: one hostile resource would keep a patient from getting anything ordered (S4)."""
    assert not meets(odd, list(concepts({"medicationCodeableConcept": {"text": "Alvedon"}, "contained": [7]})))


def test_what_is_said_never_says_none() -> None:
    """Would break S3: "nothing found" would be read as "no allergy"."""
    assert Checked(0, (), withheld=True).text == "known=0; withheld"
    assert Checked(3, ("AllergyIntolerance/a",), more=True).text == "known=3+; met=AllergyIntolerance/a"
