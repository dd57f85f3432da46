"""OperationOutcome: what went wrong, told to programs and people (https://hl7.org/fhir/R4/operationoutcome.html).

Invariant: at least one issue, as the specification demands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from vaka.errors import Issue, VakaError

_NOTHING = Issue("information", "informational", "No issues were found")


def operation_outcome(issues: Sequence[Issue], *, help: str | None = None) -> dict[str, Any]:
    """An OperationOutcome; ``help`` goes into the first issue's ``diagnostics``, ``details.text`` holds the bare
    message."""
    issue = [_issue(one) for one in issues or (_NOTHING,)]
    if help:
        issue[0]["diagnostics"] += f". {help}" if issue[0]["diagnostics"][-1:] not in (".", "") else f" {help}"
    return {"resourceType": "OperationOutcome", "issue": issue}


def from_error(error: VakaError) -> dict[str, Any]:
    return operation_outcome(error.issues, help=error.help)


def error_bytes(error: VakaError) -> bytes:
    """``from_error`` as JSON. A message may quote hostile input: what is not Unicode text is replaced, never
    refused."""
    outcome = from_error(error)
    try:
        return orjson.dumps(outcome)
    except TypeError:  # an unpaired surrogate, for example from a percent-encoded query
        for issue in outcome["issue"]:
            issue["details"]["text"] = _printable(issue["details"]["text"])
            issue["diagnostics"] = _printable(issue["diagnostics"])
            if "expression" in issue:
                issue["expression"] = [_printable(path) for path in issue["expression"]]
        return orjson.dumps(outcome)


def outcome_bytes(issues: Sequence[Issue]) -> bytes:
    return orjson.dumps(operation_outcome(issues))


def _issue(issue: Issue) -> dict[str, Any]:
    told: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"text": issue.message},
        "diagnostics": issue.message,
    }
    if issue.path:
        told["expression"] = [issue.path]
    return told


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
