"""A search request → ``criteria.Query``.

Invariants: what is not applied is named, in an error (strict) or in ``ignored``; a known parameter with a bad value
is always an error, because leaving it out would widen the search; nothing is raised but ``errors.Invalid`` (of which
``TooLarge``). Source: https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#search.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vaka import config, errors
from vaka.fhir import chains, compartments, definitions, results
from vaka.fhir.compartments import everything
from vaka.fhir.criteria import Criterion, Include, Query, SortKey, Unprotected
from vaka.fhir.matching import matches
from vaka.fhir.sorting import sort_text
from vaka.fhir.stored import all_of
from vaka.fhir.tokens import ID
from vaka.fhir.values import Request, Same, Unsupported, bad, clean, is_clean, itself, shown

__all__ = ["OF_HTTP", "everything", "matches", "parse_query", "sort_text"]

OF_HTTP: Final = frozenset({"_format", "_pretty", "_page"})
"""Parameters that the HTTP layer reads; a search passes them by."""

_FILTER: Final = ""
_OF_PATIENT: Final = frozenset({"patient", "subject", "beneficiary"})
_ORDER: Final = (
    "_type",
    _FILTER,
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_contained",
    "_include",
    "_revinclude",
)
"""The order of ``Query.used``; within it, by name and value. All but filters are read by ``results``."""

_REPEATED: Final = frozenset({"_type", _FILTER, "_include", "_revinclude"})
_NAME_MAX_CHARS: Final = 200


def parse_query(
    types: Sequence[str],
    parameters: Sequence[tuple[str, str]],
    *,
    base_url: str,
    strict: bool,
    compartment: tuple[str, str] | None = None,
    now_us: int | None = None,
    same: Same = itself,
) -> Query:
    """Reads the decoded ``parameters`` of a search among resources of ``types`` (all types: a search in the system).

    ``base_url``: addresses below it are local references. ``strict``: an unknown parameter is an error.
    ``compartment``: (type, id). ``now_us``: the present, for approximate dates. ``same``: under which ids the
    record of a Patient is kept, asked for each that is named. Raises ``errors.Invalid`` with one
    issue for each fault, its path the parameter's name; ``errors.NotFound`` for an unknown compartment."""
    _check_size(parameters)
    request = Request(base_url, time.time_ns() // 1_000 if now_us is None else now_us, same)
    answer = _Answer(_searched(types, compartment))
    faults: list[errors.Issue] = []
    unknown: list[tuple[str, str]] = []
    # _type comes first: it says what the others are parameters of.
    for name, value in sorted(parameters, key=lambda parameter: parameter[0] != "_type"):
        if name in OF_HTTP:
            continue
        path = _path(name)
        try:
            answer.take(name, value, request)
        except Unsupported as error:
            unknown.append((path, error.reason))
        except errors.TooLarge:
            raise
        except errors.Invalid as error:
            faults += [errors.Issue("error", issue.code, f"{path}: {issue.message}", path) for issue in error.issues]
    if answer.summary == "text" and answer.includes:
        faults.append(errors.Issue("error", "invalid", "_summary=text cannot be combined with includes", "_summary"))
    if strict:
        faults += [errors.Issue("error", "not-supported", f"{path}: {reason}", path) for path, reason in unknown]
    if faults:
        raise errors.Invalid(faults[0].message, issues=faults)
    if compartment is not None:
        within = compartments.compartment(*compartment, answer.types, same)
        of_staff = compartment[0] == "Practitioner" and "Patient" in answer.types
        answer.where.insert(0, Unprotected(within) if of_staff else within)
    query = answer.query(tuple(unknown))
    return replace(query, within=_within(query, compartment))


def _within(query: Query, compartment: tuple[str, str] | None) -> frozenset[str]:
    """The Patients that the compartment, or one parameter without modifier or chain, narrows a search to."""
    if compartment is not None and compartment[0] == "Patient":
        return frozenset({compartment[1]})
    for name, value in query.used:
        given = value.split(",")
        if name == "_id" and query.types == ("Patient",):
            return frozenset(given)
        if name not in _OF_PATIENT:
            continue
        ids = {part.removeprefix("Patient/") for part in given}
        # A bare id is a Patient's where the parameter can refer to nothing else.
        if all(ID.fullmatch(id_) for id_ in ids) and (
            name == "patient" or all(part.startswith("Patient/") for part in given)
        ):
            return frozenset(ids)
    return frozenset()


@dataclass(slots=True)
class _Answer:
    """What has been read so far."""

    types: tuple[str, ...]
    where: list[Criterion] = field(default_factory=list)
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: results.Total = "none"
    summary: results.Summary = "false"
    elements: tuple[str, ...] = ()
    includes: dict[Include, None] = field(default_factory=dict)
    used: list[tuple[str, str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def take(self, name: str, value: str, request: Request) -> None:
        """Reads one parameter. Raises ``Unsupported``, ``errors.Invalid``."""
        if not is_clean(name) or not is_clean(value):
            raise bad("control characters and lone surrogates are not allowed")
        base, _, modifier = name.partition(":")
        role = base if base in _ORDER else _FILTER
        if role not in _REPEATED:
            if modifier:
                raise _no_modifier(name)
            if role in self.seen:
                raise bad("given more than once")
        self.seen.add(role)
        match role:
            case "_type":
                self.types = _narrowed(self.types, value)
            case "_sort":
                self.sort = results.sort(self.types, value)
            case "_count":
                self.count = results.count(value)
                value = str(self.count)
            case "_total":
                self.total = results.total(value)
            case "_summary":
                self.summary = results.summary(value)
            case "_elements":
                self.elements = results.elements(value)
            case "_contained":
                if value != "false":
                    raise bad("contained resources are not searched; only _contained=false is supported")
            case "_include" | "_revinclude":
                request.spend(values=1)
                self.includes[results.include(value, modifier, reverse=role == "_revinclude")] = None
            case _:
                self.where.append(chains.criterion(self.types, name, value, request))
        self.used.append((role, name, value))

    def query(self, ignored: tuple[tuple[str, str], ...]) -> Query:
        used = sorted(self.used, key=lambda u: (_ORDER.index(u[0]), u[1], u[2]))
        return Query(
            types=self.types,
            where=all_of(self.where),
            sort=self.sort,
            count=self.count,
            total=self.total,
            summary="count" if self.count == 0 else self.summary,
            elements=self.elements,
            includes=tuple(self.includes),
            used=tuple((name, value) for _, name, value in used),
            ignored=ignored,
        )


def _check_size(parameters: Sequence[tuple[str, str]]) -> None:
    if len(parameters) > config.QUERY_MAX_PARAMETERS:
        raise errors.TooLarge(f"the search has more than {config.QUERY_MAX_PARAMETERS} parameters")
    if sum(len(name) + len(value) for name, value in parameters) > config.QUERY_MAX_BYTES:
        raise errors.TooLarge(f"the search is longer than {config.QUERY_MAX_BYTES} characters")


def _searched(types: Sequence[str], compartment: tuple[str, str] | None) -> tuple[str, ...]:
    """The types without doubles; of several, those that can belong to the compartment."""
    searched = tuple(dict.fromkeys(types))
    if compartment is None or len(searched) == 1:
        return searched
    return tuple(t for t in searched if t in compartments.members(compartment[0]))


def _narrowed(types: tuple[str, ...], value: str) -> tuple[str, ...]:
    """``_type=Observation,Condition``."""
    wanted = value.split(",")
    for name in wanted:
        if name not in definitions.RESOURCE_TYPES:
            raise bad(f"{shown(name)} is not a resource type")
    found = tuple(type_ for type_ in types if type_ in wanted)
    if not found:
        raise bad("none of these types is searched here")
    return found


def _no_modifier(name: str) -> errors.Invalid:
    message = f"{shown(name)}: this parameter has no modifiers"
    return errors.Invalid(message, issues=[errors.Issue("error", "not-supported", message)])


def _path(name: str) -> str:
    """A parameter's name as an error may repeat it."""
    return clean(name[:_NAME_MAX_CHARS])
