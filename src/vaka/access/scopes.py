"""Scopes of programs: ``system/Observation.rs?category=laboratory`` (SMART App Launch 2.2, scopes and launch context). Pure.

Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope, taken apart. ``type``: a resource type or ``*``; ``may``: the letters of ``cruds`` that it allows;
    ``query``: search parameters (name, value) that a resource has to match."""

    type: str
    may: frozenset[str]
    query: tuple[tuple[str, str], ...] = ()
