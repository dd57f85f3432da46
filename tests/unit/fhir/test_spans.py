"""Where the parts of a JSON text stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vaka.fhir import spans

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(['"', "\\", "]}", ',"a":1', "{["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3) | VALUES, max_size=5), st.sampled_from([None, 1])
)
def test_objects_of_an_array(array: list[Any], indent: int | None) -> None:
    """Breaks if an entry's members are cut wrongly by what stands in strings, by white space, or by what is no object."""
    body = json.dumps({"a": [1], 'b"': "]", "entry": array, "z": 0}, indent=indent).encode()
    held = list(spans.objects(body, spans.find(body, spans.top(body), "entry")))
    found = [{m.key: json.loads(body[m.start : m.end]) for m in members} for members in held]
    assert found == [one if isinstance(one, dict) else {} for one in array]
