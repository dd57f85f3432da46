"""The small part of FHIRPath in which R4 writes its search parameters, read into steps.

Grammar: ``path ("|" path)*``, a path being ``Type.name.name…`` with ``(path as T)``, ``.as(T)``,
``.where(name='value')``, ``.where(resolve() is T)`` at its end, ``[0]``, and the one test ``p.exists() and p !=
false`` (Patient.deceased). Source: https://hl7.org/fhir/R4/searchparameter-registry.html. What is outside raises
``ValueError``: a test reads all of R4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STEP = re.compile(
    r"\.?(?:as\((?P<cast>\w+)\)"
    r"|where\(resolve\(\) is (?P<narrow>\w+)\)"
    r"|where\((?P<key>\w+)='(?P<value>[^']*)'\)"
    r"|\[(?P<index>0)\]"
    r"|(?P<name>\w+))"
)
_TRUTH = re.compile(r"(?P<path>[\w.]+)\.exists\(\) and (?P=path) != false")


@dataclass(frozen=True, slots=True)
class Step:
    """One element name. ``cast``: only values of this type; ``where``: only those whose child has this value;
    ``first``: only the first value."""

    name: str
    cast: str | None = None
    where: tuple[str, str] | None = None
    first: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """``steps`` from the resource (or, in a composite's component, from the element) down. ``narrow``: only references
    to this type. ``truth``: the value is whether the element exists and is not ``false``."""

    steps: tuple[Step, ...]
    narrow: str | None = None
    truth: bool = False


def split_union(expression: str) -> list[str]:
    """The parts of ``a | (b | c) | d`` that are not within parentheses; none of an empty text."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(expression):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append(expression[start:at].strip())
            start = at + 1
    parts.append(expression[start:].strip())
    return [p for p in parts if p]


def _read(text: str, original: str) -> Path:
    truth = _TRUTH.fullmatch(text)
    if truth:
        return Path(_read(truth["path"], original).steps, truth=True)
    text = re.sub(r"^\(([\w.]+) as (\w+)\)", r"\1.as(\2)", text)
    steps: list[Step] = []
    narrow: str | None = None
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if not found or narrow:
            raise ValueError(f"not in the grammar of search parameters: {original!r} at {text[at:]!r}")
        at = found.end()
        last = steps[-1] if steps else Step("")
        match found.lastgroup:
            case "cast":
                steps[-1] = Step(last.name, found["cast"], last.where, last.first)
            case "narrow":
                narrow = found["narrow"]
            case "value":
                steps[-1] = Step(last.name, last.cast, (found["key"], found["value"]), last.first)
            case "index":
                steps[-1] = Step(last.name, last.cast, last.where, True)
            case _:
                steps.append(Step(found["name"]))
    return Path(tuple(steps), narrow)


def parse(expression: str, root: str | None) -> tuple[Path, ...]:
    """The paths of ``expression``. ``root``, a resource type, must stand first in each and is left out of the steps;
    ``None``: the expression is relative to an element."""
    paths = []
    for part in split_union(expression):
        path = _read(part, expression)
        if root is not None:
            if not path.steps or path.steps[0].name != root:
                raise ValueError(f"{expression!r} does not begin with {root}")
            path = Path(path.steps[1:], path.narrow, path.truth)
        paths.append(path)
    return tuple(paths)
