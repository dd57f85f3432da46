"""Numbers keep their text, and own addresses become relative."""

from __future__ import annotations

from vaka.fhir import exact
from vaka.fhir.splice import relative_references


def test_numbers_keep_their_text() -> None:
    """Fails if a summary or patch would tell 72.5 where 72.50 was measured."""
    body = b'{"a":72.50,"b":[1e3,-0,12345678901234567890.5],"c":1}'
    assert exact.dumps(exact.loads(body)) == body


def test_own_address_becomes_relative() -> None:
    """Fails if a reference by our own full address could not be found as the local one, or another server's is touched."""
    body = b'{"subject":{"reference": "http://h:1/fhir/Patient/1"},"x":{"reference":"http://other/fhir/Patient/1"},"url":"http://h:1/fhir/Patient/1"}'
    told = relative_references(body, "http://h:1/fhir")
    assert told == body.replace(b'"reference": "http://h:1/fhir/', b'"reference": "')
