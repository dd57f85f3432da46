"""What is stored is what was sent, but for id, versionId, lastUpdated and resolved references."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.fhir import definitions, spans
from vaka.fhir.splice import URI_ELEMENTS, conditional_references, replace_references, splice

SET = {"id": "new-1", "version_id": "7", "last_updated": "2026-03-01T12:00:00.123Z"}
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "meta", "a", '"', "å{"]), inner),
    max_leaves=12,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A resource with id and meta anywhere, or not there, in any layout."""
    meta = draw(st.dictionaries(st.sampled_from(["versionId", "lastUpdated", "source", "tag"]), VALUE))
    fields = {"resourceType": "Basic", **draw(st.dictionaries(st.sampled_from(["a", "b", "text", "\\"]), VALUE))}
    fields |= draw(st.sampled_from([{}, {"id": "old"}, {"meta": meta}, {"id": "old", "meta": meta}]))
    items = draw(st.permutations(list(fields.items())))
    separators = draw(st.sampled_from([(",", ":"), (" ,\n ", " : ")]))
    indent = draw(st.sampled_from([None, 2]))
    text = json.dumps(dict(items), separators=separators, indent=indent, ensure_ascii=draw(st.booleans()))
    return draw(st.sampled_from(["", "\n "])).encode() + text.encode()


@given(bodies())
def test_spliced_is_the_resource_with_the_three_set(body: bytes) -> None:
    """Would break if a value were set in the wrong place or another one touched."""
    resource = orjson.loads(body)
    spliced = splice(body, resource, **SET)
    sent = json.loads(body)
    meta = {**sent.get("meta", {}), "versionId": "7", "lastUpdated": SET["last_updated"]}
    assert json.loads(spliced) == {**sent, "id": "new-1", "meta": meta}
    assert spliced.count(b'"7"') >= 1
    assert [m.key for m in spans.members(spliced, spans.top(spliced))].count("id") == 1


@given(bodies())
def test_all_other_bytes_stay(body: bytes) -> None:
    """Would break if white space, order, escapes or the form of a number changed."""
    resource = orjson.loads(body)
    spliced = splice(body, resource, **SET)
    again = splice(spliced, orjson.loads(spliced), **SET)
    assert again == spliced
    assert without_the_three(spliced) == without_the_three(body)


def without_the_three(body: bytes) -> list[bytes]:
    """Every other member's own text, in order, and the white space around the resource."""
    start = spans.top(body)
    texts = [body[:start], body[spans.value_end(body, start) :]]
    for member in spans.members(body, start):
        if member.key == "meta":
            texts += [
                body[inner.key_start : inner.end]
                for inner in spans.members(body, member.start)
                if inner.key not in ("versionId", "lastUpdated")
            ]
        elif member.key != "id":
            texts.append(body[member.key_start : member.end])
    return texts


def test_forms_are_kept_byte_for_byte() -> None:
    """Would break if the store normalised what clinicians signed."""
    body = b'{ "resourceType" : "Observation",\n\t"valueQuantity":{"value":72.50}, "x":"\\u00e5\\/" }\n'
    assert splice(body, orjson.loads(body), **SET) == (
        b'{ "resourceType" : "Observation","id":"new-1",'
        b'"meta":{"versionId":"7","lastUpdated":"2026-03-01T12:00:00.123Z"},\n\t'
        b'"valueQuantity":{"value":72.50}, "x":"\\u00e5\\/" }\n'
    )


def test_only_the_values_are_replaced_where_all_three_stand() -> None:
    """Would break if something moved although nothing was missing."""
    body = b'{"meta": {"lastUpdated" :"x", "tag":[{"code":"id"}],"versionId": "1"}, "id" :"o","resourceType":"Basic"}'
    assert splice(body, orjson.loads(body), **SET) == (
        b'{"meta": {"lastUpdated" :"2026-03-01T12:00:00.123Z", "tag":[{"code":"id"}],"versionId": "7"}, '
        b'"id" :"new-1","resourceType":"Basic"}'
    )


def test_ids_within_are_not_the_resources_own() -> None:
    """Would break if a contained resource got the container's id."""
    body = b'{"contained":[{"resourceType":"Patient","id":"p"}],"resourceType":"Basic","\\u0069d":"o"}'
    spliced = orjson.loads(splice(body, orjson.loads(body), **SET))
    assert (spliced["contained"][0]["id"], spliced["id"]) == ("p", "new-1")


def test_the_byte_order_mark_goes() -> None:
    """Would break if stored bytes were no JSON."""
    body = b'{"resourceType":"Basic"}'
    assert splice(b"\xef\xbb\xbf" + body, orjson.loads(body), **SET).startswith(b'{"resourceType"')


URN = "urn:uuid:1"
MAPPING = {URN: "Patient/9", "http://x/fhir/Patient/1": "Patient/8"}


@pytest.mark.parametrize(
    ("body", "replaced"),
    [
        (b'{"subject":{"reference":"urn:uuid:1"}}', b'{"subject":{"reference":"Patient/9"}}'),
        (b'{"subject":{"reference" :\n"urn:uuid:\\u0031"}}', b'{"subject":{"reference" :\n"Patient/9"}}'),
        (b'{"a":{"reference":"http:\\/\\/x\\/fhir\\/Patient\\/1"}}', b'{"a":{"reference":"Patient/8"}}'),
        (b'{"valueUri":"urn:uuid:1","valueUrl":"urn:uuid:1"}', b'{"valueUri":"Patient/9","valueUrl":"Patient/9"}'),
        (b'{"instantiatesUri":["a", "urn:uuid:1"]}', b'{"instantiatesUri":["a", "Patient/9"]}'),
        (b'{"a":{"reference":"http://x/fhir/Patient/1/_history/3"}}', b'{"a":{"reference":"Patient/8/_history/3"}}'),
        (b'{"div":"<a href=\\"urn:uuid:1\\">x</a>"}', b'{"div":"<a href=\\"Patient/9\\">x</a>"}'),
        (b'{"div":"<img src=\'urn:uuid:1\'/>"}', b'{"div":"<img src=\'Patient/9\'/>"}'),
    ],
)
def test_references_are_replaced(body: bytes, replaced: bytes) -> None:
    """Would break if a transaction left a reference to a full URL that nobody can follow."""
    assert replace_references(body, MAPPING) == replaced


@pytest.mark.parametrize(
    "body",
    [
        b'{"reference":"urn:uuid:12"}',
        b'{"reference":"xurn:uuid:1"}',
        b'{"identifier":{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}}',
        b'{"valueCanonical":"urn:uuid:1"}',
        b'{"text":"\\"reference\\":\\"urn:uuid:1\\""}',
        b'{"display":"urn:uuid:1"}',
    ],
)
def test_what_is_no_reference_stays(body: bytes) -> None:
    """Would break if text, identifiers or canonicals were rewritten."""
    assert replace_references(body, MAPPING) == body


def test_uri_elements_are_those_of_the_definitions() -> None:
    """Would break if a member of type uri, url, oid or uuid were left out, or one that is canonical be listed."""
    uris: set[str] = set()
    others: set[str] = set()
    for name in definitions._R4["structures"]:
        for property_, (_, type_) in definitions.structure(name).properties.items():
            (uris if type_ in ("uri", "url", "oid", "uuid") else others).add(property_)
    # Their value is never the address of a resource.
    harmless = {"implicitRules", "contentReference"}
    assert uris - others - harmless == URI_ELEMENTS - {"reference", "url", "uri", "policy"}


def test_conditional_references_are_found_once_each() -> None:
    """Would break if a conditional reference were stored unresolved."""
    resource = {
        "subject": {"reference": "Patient?identifier=a|b"},
        "x": [{"y": {"reference": "Patient?identifier=a|b"}}, {"reference": "Organization?name=é"}],
        "z": {"reference": "Patient/1"},
        "display": "Patient?x=y",
    }
    assert sorted(conditional_references(resource)) == ["Organization?name=é", "Patient?identifier=a|b"]
