"""``_summary`` and ``_elements``: what stays of a resource."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaka.fhir.definitions import RESOURCE_TYPES, structure
from vaka.fhir.elements import SUBSETTED, element_name, for_elements, summarise

ALLERGY: dict[str, Any] = {
    "resourceType": "AllergyIntolerance",
    "id": "a1",
    "meta": {"versionId": "3", "tag": [{"code": "demo"}]},
    "text": {"status": "generated", "div": "<div>Penicillin</div>"},
    "modifierExtension": [{"url": "http://x", "valueBoolean": True}],
    "extension": [{"url": "http://y", "valueBoolean": True}],
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "verificationStatus": {"coding": [{"code": "refuted"}]},
    "code": {"text": "Penicillin", "extension": [{"url": "http://z"}]},
    "patient": {"reference": "Patient/p1"},
    "onsetDateTime": "2001",
    "note": [{"text": "Enligt modern"}],
    "reaction": [{"manifestation": [{"text": "Utslag"}]}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "_status": {"extension": [{"url": "http://x"}]},
    "code": {"text": "Hb"},
    "valueQuantity": {"value": 72.5, "unit": "g/L"},
    "interpretation": [{"text": "L"}],
    "component": [
        {
            "code": {"text": "a"},
            "valueString": "b",
            "interpretation": [{"text": "H"}],
            "referenceRange": [{"text": "r"}],
        },
    ],
}
MEDIA: dict[str, Any] = {
    "resourceType": "Media",
    "status": "completed",
    "content": {"contentType": "image/png", "data": "AAAA", "title": "bild"},
}


def names(resource: dict[str, Any]) -> set[str]:
    return set(resource)


def test_true_keeps_summary_mandatory_and_modifier_elements() -> None:
    """A summary would hide that an allergy is refuted, or carry the whole record."""
    expected = {
        "resourceType",
        "id",
        "meta",
        "modifierExtension",
        "clinicalStatus",
        "verificationStatus",
        "code",
        "patient",
    }
    assert names(summarise(ALLERGY, "true")) == expected


def test_true_reaches_inward() -> None:
    """Components or attachments would bring along what the summary leaves out."""
    found = summarise(OBSERVATION, "true")
    assert found["component"] == [{"code": {"text": "a"}, "valueString": "b"}]
    assert found["valueQuantity"] == OBSERVATION["valueQuantity"]
    assert found["_status"] == OBSERVATION["_status"]
    assert "interpretation" not in found
    assert summarise(MEDIA, "true")["content"] == {"contentType": "image/png", "title": "bild"}


def test_text_keeps_the_narrative_and_what_is_mandatory() -> None:
    """The text view would have no text, or lack what the resource cannot be without."""
    found = summarise(ALLERGY, "text")
    assert found["text"] == ALLERGY["text"]
    assert {"id", "patient", "verificationStatus"} <= names(found)
    assert not {"code", "note", "reaction", "extension"} & names(found)


def test_data_leaves_the_narrative_out() -> None:
    """``data`` would lose data, or keep the text."""
    assert names(ALLERGY) - names(summarise(ALLERGY, "data")) == {"text"}


def test_count_and_false() -> None:
    """``count`` would show content; ``false`` would mark a whole resource as part of one."""
    assert names(summarise(ALLERGY, "count")) == {"resourceType", "id", "meta"}
    assert summarise(ALLERGY, "false") == ALLERGY
    with pytest.raises(ValueError, match="mode"):
        summarise(ALLERGY, "all")


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (("note",), {"note"}),
        (("onset",), {"onsetDateTime"}),
        (("onsetDateTime",), {"onsetDateTime"}),
        (("AllergyIntolerance.note", " code "), {"note", "code"}),
        (("reaction.manifestation",), {"reaction"}),
        (("nothing",), set()),
        (("text",), {"text"}),
    ],
)
def test_elements_keeps_the_named_and_the_necessary(asked: tuple[str, ...], kept: set[str]) -> None:
    """An element asked for would be missing, or a modifier be lost that turns the meaning round."""
    always = {"resourceType", "id", "meta", "patient", "clinicalStatus", "verificationStatus", "modifierExtension"}
    assert names(for_elements(ALLERGY, asked)) == always | kept


def test_what_is_left_out_is_marked_once() -> None:
    """A part would be taken for the whole, and written back as the whole."""
    for found in (summarise(ALLERGY, "data"), for_elements(ALLERGY, ("code",))):
        assert found["meta"] == {"versionId": "3", "tag": [{"code": "demo"}, SUBSETTED]}
        assert summarise(found, "data")["meta"]["tag"].count(SUBSETTED) == 1
    assert list(summarise(OBSERVATION, "data"))[:3] == ["resourceType", "id", "meta"]


def test_the_resource_given_is_not_changed() -> None:
    """The stored resource, if it is kept in memory, would carry the tag from then on."""
    before = copy.deepcopy(ALLERGY)
    for mode in ("true", "text", "data", "count"):
        summarise(ALLERGY, mode)
    for_elements(ALLERGY, ("code",))
    assert before == ALLERGY


@pytest.mark.parametrize("type_", RESOURCE_TYPES)
def test_every_type_keeps_what_it_must(type_: str) -> None:
    """A type's summary would be invalid for want of a mandatory element."""
    resource: dict[str, Any] = {"resourceType": type_}
    resource |= {name: None for name, (element, _) in structure(type_).properties.items() if element.min}
    assert names(resource) <= names(summarise(resource, "true"))
    assert names(resource) <= names(for_elements(resource, ()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("name", "name"), ("Patient.name", "name"), ("value[x]", "value"), ("name.family", "name"), ("Na", None), ("",
    None),
     ("a b", None), ("x" * 80, None)],
)  # fmt: skip
def test_element_names(text: str, expected: str | None) -> None:
    """A malformed name would be taken for an element."""
    assert element_name(text) == expected


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["meta", "tag", "code", "name", "component", "value", "id", "contained", "x"]), inner
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["meta", "text", "code", "component", "name", "id", "_name", "x"]), json), json)
def test_odd_resources_do_not_raise(resource: dict[str, Any], type_: Any) -> None:
    """An odd resource would be a fault when it is read with a summary."""
    for name in ("Patient", "Observation", type_):
        odd = {**resource, "resourceType": name}
        for mode in ("true", "text", "data", "count"):
            assert summarise(odd, mode)["meta"]["tag"]
        for_elements(odd, ("code", ""))
