"""What became of what was to be loaded: counts, and each refusal with its place and reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from vaka.errors import Issue, VakaError

EXIT_ALL: Final = 0
EXIT_SOME_REFUSED: Final = 65
EXIT_INTERRUPTED: Final = 130
_ISSUES_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a file, a line of it (None: the file is one document), an entry of the bundle there."""

    file: str
    line: int | None = None
    entry: int | None = None

    def __str__(self) -> str:
        line = f":{self.line}" if self.line is not None else ""
        return f"{self.file}{line}" + (f" entry {self.entry}" if self.entry is not None else "")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One resource, or one whole transaction, that was not taken. ``issues``: as in an OperationOutcome."""

    place: Place
    type: str | None
    id: str | None
    issues: tuple[Issue, ...]

    @classmethod
    def of(cls, place: Place, error: VakaError, type_: str | None = None, id_: str | None = None) -> Refusal:
        return cls(place, type_, id_, error.issues[:_ISSUES_KEPT])

    def row(self) -> dict[str, Any]:
        """A line of ``--report``."""
        issues = [{"code": i.code, "message": i.message, "path": i.path} for i in self.issues]
        return {**asdict(self.place), "type": self.type, "id": self.id, "issues": issues}


@dataclass(slots=True)
class Counts:
    """In resources. ``found``: creates whose ``ifNoneExist`` found one. ``unchanged``: stood there already."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    found: int = 0
    refused: int = 0
    transactions: int = 0

    def add(self, other: Counts) -> None:
        for name in ("created", "updated", "deleted", "unchanged", "found", "refused", "transactions"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def written(self) -> int:
        return self.created + self.updated + self.deleted

    @property
    def all(self) -> int:
        return self.written + self.unchanged + self.found + self.refused


@dataclass(slots=True)
class Outcome:
    """What a worker says of a batch. ``waiting``: indices of texts that need what is not there yet."""

    counts: Counts = field(default_factory=Counts)
    refused: list[Refusal] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        self.refused.append(refusal)
        self.counts.refused += 1
