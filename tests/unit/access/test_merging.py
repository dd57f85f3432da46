"""What two merged Patients say, and which are never linked. access/merging.py."""

from __future__ import annotations

from typing import Any

import pytest

from vaka.access.merging import may_not_be_linked, released, replaced, restored, surviving

PN = "http://electronichealth.se/identifier/personnummer"
LABEL = {"system": "x", "code": "sekretessmarkering"}
Resource = dict[str, Any]


def patient(id_: str, number: str | None = None, *, protected: bool = False, **members: Any) -> Resource:
    made: Resource = {"resourceType": "Patient", "id": id_, **members}
    if number is not None:
        made["identifier"] = [{"system": PN if number.isdigit() else "urn:reserve", "value": number}]
    if protected:
        made["meta"] = {"security": [LABEL]}
    return made


@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        (patient("a", "1", protected=True), patient("b", "2"), True),
        (patient("a", "1"), patient("b", "2", protected=True), True),
        (patient("a", "1", protected=True), patient("b", "1"), False),
        (patient("a", "1", protected=True), patient("b", "r-99"), False),
        (patient("a", "1", protected=True), patient("b"), False),
        (patient("a", "1"), patient("b", "2"), False),
    ],
)
def test_an_old_and_a_new_protected_identity(one: Resource, other: Resource, refused: bool) -> None:
    """Would break: a person who was given a new identity is found by the old one; or a reserve number cannot be merged."""
    assert may_not_be_linked(one, other) is refused
    assert may_not_be_linked(other, one) is refused


@pytest.mark.parametrize("active", [True, False, None])
@pytest.mark.parametrize(
    ("source_protected", "target_protected"), [(True, False), (False, True), (True, True), (False, False)]
)
def test_taking_apart_gives_back_what_was(active: bool | None, source_protected: bool, target_protected: bool) -> None:
    """Would break: a merge that is undone leaves something of the other behind."""
    members = {} if active is None else {"active": active}
    link = [{"other": {"reference": "Patient/z"}, "type": "seealso"}]
    source = patient("a", "r-1", protected=source_protected, **members)
    target = patient("b", "1", protected=target_protected, link=link)
    gone, goes_on = replaced(source, "b"), surviving(target, source)
    assert gone["active"] is False
    assert gone["link"] == [{"other": {"reference": "Patient/b"}, "type": "replaced-by"}]
    assert goes_on["link"] == [*link, {"other": {"reference": "Patient/a"}, "type": "replaces"}]
    protected = goes_on.get("meta", {}).get("security", [])
    assert bool(protected) is (source_protected or target_protected)
    assert len(protected) <= 1
    assert restored(gone, "b", source) == source
    after = released(goes_on, gone, target)
    assert {k: v for k, v in after.items() if k != "meta"} == {k: v for k, v in target.items() if k != "meta"}
    assert after.get("meta", {}).get("security", []) == target.get("meta", {}).get("security", [])
