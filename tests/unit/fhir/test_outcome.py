"""Errors become OperationOutcomes that say what, where and what to do."""

from __future__ import annotations

import orjson

from vaka.errors import Invalid, Issue
from vaka.fhir.outcome import error_bytes, from_error, operation_outcome, outcome_bytes
from vaka.fhir.parse import parse_resource
from vaka.fhir.validate import validate


def test_issue_carries_severity_code_text_and_path() -> None:
    """Would break if a client lost one of them."""
    outcome = operation_outcome([Issue("warning", "value", "odd", "Patient.name[0]")])
    assert outcome["issue"] == [
        {
            "severity": "warning",
            "code": "value",
            "details": {"text": "odd"},
            "diagnostics": "odd",
            "expression": ["Patient.name[0]"],
        }
    ]


def test_help_is_told_in_diagnostics() -> None:
    """Would break if an operator never saw what to try."""
    issue = from_error(Invalid("It is wrong", help="Do it so."))["issue"][0]
    assert (issue["details"]["text"], issue["diagnostics"]) == ("It is wrong", "It is wrong. Do it so.")


def test_every_outcome_is_a_valid_resource() -> None:
    """Would break if an answer broke the specification that it speaks for."""
    for body in (
        outcome_bytes([]),
        outcome_bytes([Issue("error", "invalid", "x")]),
        error_bytes(Invalid("a", help="b", path="Patient.id")),
    ):
        assert validate(parse_resource(body, "OperationOutcome")) == []


def test_a_quoted_surrogate_does_not_break_the_answer() -> None:
    """Would break if hostile input in a message turned a 400 into a 500."""
    issue = orjson.loads(error_bytes(Invalid("bad \ud800", path="\udfff")))["issue"][0]
    assert (issue["diagnostics"], issue["expression"]) == ("bad ?", ["?"])
