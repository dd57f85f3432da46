"""Parsing refuses what two readers could read differently, and names where it stands."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.config import JSON_MAX_DEPTH
from vaka.errors import Invalid
from vaka.fhir.parse import parse_any, parse_json, parse_resource

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)]), max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=5)


def written(value: Any, spaced: bool, escaped: bool) -> bytes:
    separators = (" ,\n", " : ") if spaced else (",", ":")
    return json.dumps(value, separators=separators, ensure_ascii=escaped).encode()


@given(OBJECT, st.booleans(), st.booleans())
def test_whatever_json_says_is_read(value: dict[str, Any], spaced: bool, escaped: bool) -> None:
    """Would break if a count of colons took sound input for doubled keys."""
    assert parse_json(written(value, spaced, escaped)) == value


@given(OBJECT, st.text(':"\\a{}[],', max_size=6), st.booleans(), st.booleans(), JSON)
def test_a_doubled_key_is_never_accepted(
    value: dict[str, Any], key: str, spaced: bool, escaped: bool, other: Any
) -> None:
    """Would break if a doubled key could hide behind quotes, colons, backslashes or escapes."""
    inner = {**value, key: 1}
    text = written({"x": [inner]}, spaced, escaped)
    doubled = b"{" + written(key, spaced, escaped) + b":" + written(other, spaced, escaped) + b","
    at = text.index(b"{", text.index(b"["))
    with pytest.raises(Invalid, match="twice"):
        parse_json(text[:at] + doubled + text[at + 1 :])


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_nothing_but_invalid(body: bytes) -> None:
    """Would break if an unforeseen exception became a 500."""
    with suppress(Invalid):
        parse_any(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{", "not JSON"),
        (b'{"a":1,\n "b":}', "line 2, column 6"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":Infinity}', "not JSON"),
        (b'{"a":1e400}', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8: byte 0xff at offset 6"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"a":"\x00"}', "not JSON"),
        (b'{"a":"\\u0000"}', "control character"),
        (b'{"a":"\\u001F"}', "control character"),
        (b'{"a":"\\\\\\b"}', "control character"),
        (b'{"a":\n"x\\f"}', "line 2, column 3"),
        (b"[1]", "an array"),
        (b'"x"', "a string"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b"1", "a number"),
    ],
)
def test_malformed_input_is_refused_with_its_place(body: bytes, told: str) -> None:
    """Would break if bad input were accepted or its message lost the place."""
    with pytest.raises(Invalid, match=told) as raised:
        parse_json(body)
    assert raised.value.issues[0].code == "structure"


@pytest.mark.parametrize("body", [b'{"a":"\\\\u0000 \\\\b \\t\\n\\r"}', b'{"a":"\\u0009\\u000a\\u000D\\u0020"}'])
def test_permitted_escapes_are_kept(body: bytes) -> None:
    """Would break if an escaped backslash before ``u0000`` were taken for a NUL."""
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_ends_at_the_limit(opening: bytes, closing: bytes) -> None:
    """Would break if hostile nesting reached code that recurses."""

    def nested(levels: int) -> bytes:
        return opening * levels + b"1" + closing * levels

    parse_any(nested(JSON_MAX_DEPTH))
    for levels in (JSON_MAX_DEPTH + 1, 2_000, 200_000):
        with pytest.raises(Invalid, match=f"more than {JSON_MAX_DEPTH} levels"):
            parse_any(nested(levels))


@pytest.mark.parametrize("value", [b'"\\u003a"', b'"\\u003A"'])
def test_an_escaped_colon_hides_no_doubled_key(value: bytes) -> None:
    """Would break if the colon that the text does not show made up for the member that was dropped."""
    with pytest.raises(Invalid, match="twice"):
        parse_json(b'{"a":1,"a":' + value + b"}")
    assert parse_json(b'{"a":' + value + b"}") == {"a": ":"}


def test_a_doubled_key_is_named_with_its_path() -> None:
    """Would break if the sender could not find the member."""
    with pytest.raises(Invalid) as raised:
        parse_json(b'{"name":[{"a":1},{"family":"x","\\u0066amily":"y"}]}')
    assert raised.value.issues[0].path == "name[1].family"


def test_a_resource_comes_with_type_id_and_its_own_bytes() -> None:
    """Would break if the stored bytes were not those that were sent (but for the byte order mark)."""
    parsed = parse_resource(b'\xef\xbb\xbf {"resourceType":"Patient", "id":"1"}', "Patient")
    assert (parsed.type, parsed.id, parsed.body) == ("Patient", "1", b' {"resourceType":"Patient", "id":"1"}')


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "no resourceType"),
        (b'{"resourceType":1}', "not a resource type's name"),
        (b'{"resourceType":"Patient\\n"}', "not a resource type's name"),
        (b'{"resourceType":"Observation"}', "is a Observation, but a Patient was expected"),
        (b'{"resourceType":"Patient","id":1}', "must be a JSON string"),
    ],
)
def test_what_is_no_such_resource_is_refused(body: bytes, told: str) -> None:
    """Would break if a body of another type could be stored under an address."""
    with pytest.raises(Invalid, match=told):
        parse_resource(body, "Patient")
