"""JSON Patch changes what it names, keeps how numbers were written, and stops at its limits."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.config import PATCH_COPY_MAX_BYTES, PATCH_MAX_OPERATIONS
from vaka.errors import Invalid, TooLarge, Unprocessable
from vaka.fhir.patch import apply_patch

BODY = '{"resourceType":"Basic","id":"1","v":72.50,"e":1.0E2,"l":[1,2.0],"s":"å","big":123456789012345678901}'.encode()
POINTER = st.sampled_from(["", "/", "/l", "/l/0", "/l/-", "/l/9", "/l/x", "/v/a", "/s/0", "/id", "/~1", "/~2", "/n/m"])


def patched(*operations: dict[str, Any]) -> bytes:
    return apply_patch(BODY, json.dumps(operations).encode())


def test_untouched_numbers_keep_their_text() -> None:
    """Would break if 72.50 became 72.5: the precision of a measurement would be lost."""
    assert patched({"op": "replace", "path": "/s", "value": "ö"}) == BODY.replace("å".encode(), "ö".encode())


def test_numbers_of_the_patch_keep_their_text() -> None:
    """Would break if a patched value lost its precision."""
    assert b'"v":1.10,' in apply_patch(BODY, b'[{"op":"replace","path":"/v","value":1.10}]')
    assert b'"l":[1,2.0,[1,2.0]]' in patched({"op": "copy", "from": "/l", "path": "/l/-"})


def test_operations_build_on_each_other() -> None:
    """Would break if an operation saw the resource as it was before the patch."""
    result = orjson.loads(
        patched(
            {"op": "test", "path": "/v", "value": 72.5},
            {"op": "add", "path": "/n", "value": {"a": []}},
            {"op": "add", "path": "/n/a/-", "value": 1},
            {"op": "move", "from": "/n/a", "path": "/m"},
            {"op": "remove", "path": "/l"},
        )
    )
    assert (result["m"], result["n"], "l" in result) == ([1], {}, False)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/v", "value": 72.6},
        {"op": "test", "path": "/l/0", "value": True},
        {"op": "test", "path": "/nope", "value": None},
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/nope", "value": 1},
        {"op": "add", "path": "/l/5", "value": 1},
        {"op": "add", "path": "/l/01", "value": 1},
        {"op": "add", "path": "/s/0", "value": 1},
        {"op": "move", "from": "/l", "path": "/l/0"},
        {"op": "replace", "path": "", "value": []},
        {"op": "replace", "path": "/id", "value": "2"},
        {"op": "remove", "path": "/resourceType"},
    ],
)
def test_what_does_not_hold_is_unprocessable(operation: dict[str, Any]) -> None:
    """Would break if a failed test let the rest through, or a resource could change who it is."""
    with pytest.raises(Unprocessable):
        patched({"op": "add", "path": "/x", "value": 1}, operation)


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b"[1]",
        b"[",
        b'[{"op":"add","path":"/x"}]',
        b'[{"op":"fly","path":"/x"}]',
        b'[{"op":["add"],"path":"/x","value":1}]',
        b'[{"op":"add","path":"x","value":1}]',
        b'[{"op":"copy","from":1,"path":"/x"}]',
        b'[{"op":"add","path":"/x","value":"\\u0000"}]',
        b'[{"op":"add","path":"/x","path":"/y","value":1}]',
    ],
)
def test_what_is_no_json_patch_is_invalid(document: bytes) -> None:
    """Would break if a malformed patch were answered as if the resource were at fault (400, not 422)."""
    with pytest.raises(Invalid) as raised:
        apply_patch(BODY, document)
    assert raised.value.status == 400


def test_limits() -> None:
    """Would break if a small patch could exhaust memory: a copy of a list into itself doubles it each time."""
    with pytest.raises(TooLarge, match=str(PATCH_COPY_MAX_BYTES)):
        patched(*[{"op": "copy", "from": "/l", "path": "/l/-"}] * 100)
    with pytest.raises(TooLarge, match=str(PATCH_MAX_OPERATIONS)):
        patched(*[{"op": "test", "path": "/id", "value": "1"}] * (PATCH_MAX_OPERATIONS + 1))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
                "path": POINTER,
                "from": POINTER,
                "value": st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
            }
        ),
        max_size=5,
    )
)
def test_no_patch_raises_anything_unforeseen(operations: list[dict[str, Any]]) -> None:
    """Would break if an odd pointer became a 500."""
    try:
        result = orjson.loads(patched(*operations))
    except Invalid:
        return
    assert (result["id"], result["resourceType"]) == ("1", "Basic")
