"""A patient as pages tell people apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Who:
    """Everything by which people are told apart (S5)."""

    id: str
    name: str
    number: str
    age: str
    sex: str
    protected: bool
