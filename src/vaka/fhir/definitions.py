"""What FHIR R4 says of its resources: element tree, required codes, search parameters, compartments.

Read from ``definitions.json.zst``, which ``tools/make_definitions.py`` makes from the official definitions of 4.0.1.
The file is read when this module is first imported (about 10 ms); structures and parameters are built for a type when
first asked for. ``definitions.json.zst``: ``structures`` name → [kind, base, own elements], ``value_sets`` URL →
system → codes or null, ``parameters`` type → rows, ``compartments`` compartment → type → parameter codes, ``units``
UCUM code → measure.

Invariants: numbers of types and parameters depend on nothing but R4 (journal and copy store them); nothing here changes
after it was built. Source: https://hl7.org/fhir/R4/downloads.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import orjson
import zstandard

from vaka.fhir import paths

Kind = Literal["token", "string", "date", "number", "quantity", "reference", "composite", "uri", "special"]

_R4: Final[dict[str, Any]] = orjson.loads(
    zstandard.decompress(files("vaka.fhir").joinpath("definitions.json.zst").read_bytes())
)
VERSION: Final[str] = _R4["version"]
RESOURCE_TYPES: Final[tuple[str, ...]] = tuple(sorted(_R4["parameters"]))
"""The 146 resource types of R4, in alphabetical order, without the abstract Resource and DomainResource."""
PRIMITIVES: Final[frozenset[str]] = frozenset(n for n, s in _R4["structures"].items() if s[0] == "primitive")
"""The primitive types: their JSON value is a string, a number or a boolean."""

UNITS: Final[Mapping[str, tuple[str, float, float]]] = MappingProxyType(_R4.get("units", {}))
"""The common UCUM units: code → base units, factor, offset; see ``vaka.fhir.ucum.Measure``."""

_TYPE_NUMBERS: Final = {name: number for number, name in enumerate(RESOURCE_TYPES, 1)}


def type_number(type_: str) -> int:
    """The number, from 1, under which a resource type is stored. ``KeyError`` if R4 has no such type."""
    return _TYPE_NUMBERS[type_]


def type_name(number: int) -> str:
    """The resource type of ``type_number``. ``IndexError`` if there is none."""
    if number < 1:
        raise IndexError(number)
    return RESOURCE_TYPES[number - 1]


# Elements ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a structure.

    ``name``: as in paths (``value`` for ``value[x]``). ``types``: names that ``structure`` knows (``CodeableConcept``,
    ``code``, ``Observation.component``; a content reference is resolved), or ``Resource`` for any resource.
    ``max``: 1, another number, or 0 for many. ``targets``: the types a Reference may point at, empty for any (and where
    it is no Reference). ``value_set``: URL of the required binding, else ``None``. ``choice``: ``value[x]``."""

    name: str
    types: tuple[str, ...]
    min: int
    max: int
    summary: bool
    modifier: bool
    targets: tuple[str, ...]
    value_set: str | None
    choice: bool

    @property
    def many(self) -> bool:
        """True: a JSON array; else a single value."""
        return self.max != 1


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource type, data type or backbone element, inherited elements (id, extension, meta, …) included.

    ``elements``: by name. ``properties``: by JSON property, the element and the one type that the property holds
    (``valueQuantity`` → (value, "Quantity")); primitives' ``_name`` twins are not listed."""

    name: str
    kind: Literal["resource", "type", "backbone", "primitive"]
    base: str
    elements: Mapping[str, Element]
    properties: Mapping[str, tuple[Element, str]]


@cache
def structure(name: str) -> Structure:
    """The structure ``Observation``, ``Observation.component``, ``HumanName``, ``Resource``, ``code`` …
    ``KeyError`` if R4 has none of this name."""
    kind, base, rows = _R4["structures"][name]
    elements = dict(structure(base).elements) if base in _R4["structures"] else {}
    for row in rows:
        elements[row[0]] = Element(
            row[0], tuple(row[1]), row[2], row[3], bool(row[4] & 1), bool(row[4] & 2), tuple(row[5]), row[6] or None,
            bool(row[7]),
        )  # fmt: skip
    properties = {}
    for element in elements.values():
        for type_ in element.types:
            property_ = element.name + type_[0].upper() + type_[1:] if element.choice else element.name
            properties[property_] = (element, type_)
    return Structure(name, kind, base, MappingProxyType(elements), MappingProxyType(properties))


@cache
def value_set(url: str) -> Mapping[str, frozenset[str] | None]:
    """Code system → its codes in the value set of a required binding. ``None`` in place of codes: they cannot be
    listed (MIME types, UCUM units, ISO 4217 currencies); an empty mapping: nothing is known. In both cases
    any code must be accepted. ``KeyError`` if no required binding of R4 names ``url``."""
    systems = _R4["value_sets"][url]
    return MappingProxyType({s: None if c is None else frozenset(c) for s, c in systems.items()})


@cache
def required_codes(url: str) -> frozenset[str] | None:
    """All codes of ``value_set(url)`` whatever their system, for elements of type ``code``; ``None``: any code."""
    codes: set[str] = set()
    for listed in value_set(url).values():
        if listed is None:
            return None
        codes |= listed
    return frozenset(codes) or None


def summary_elements(name: str) -> frozenset[str]:
    """Names of the elements of a structure that ``_summary=true`` keeps (``isSummary``)."""
    return frozenset(e.name for e in structure(name).elements.values() if e.summary)


# Search parameters -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    ``number``: from 1, unique in R4, stored in index rows. ``name``: ``Observation.code``, what keys are made with.
    ``targets``: types that a reference may mean (all types where R4 says any). ``paths``: ``expression`` read.
    ``single``: at most one value can occur (a CodeableConcept counts as one).

    ``stored_as``: whose keys and rows answer this parameter, as (parameter name, only this target type or None); its
    own name alone where it has its own. Others have none but ``key(name, "present")``: search each of those named,
    joined by OR.

    ``systems``: not None for a token whose values are plain (code, boolean, string, id, uri, ContactPoint): only the
    key ``key(name, "c", code)`` is stored, and ``system|code`` means that key if the system is one of these, else
    nothing.

    ``components``: of a composite, as (code of the component's own parameter, its kind). ``root``: a composite of
    the resource itself, which stores nothing: it is the AND of its components (value keys ``with`` the code, see
    keys.py).

    ``supported``: searches can use it; if not, ``reason`` says why. A supported one may carry a note in ``reason``."""

    number: int
    type: str
    code: str
    name: str
    kind: Kind
    url: str
    targets: tuple[str, ...]
    expression: str
    paths: tuple[paths.Path, ...]
    single: bool
    stored_as: tuple[tuple[str, str | None], ...]
    systems: tuple[str, ...] | None
    components: tuple[tuple[str, str], ...]
    root: bool
    supported: bool
    reason: str | None


_UNSUPPORTED: Final = {
    "_query": "named queries are operations of a server; this one has none",
    "near": "distance to a position needs a geographic index",
    "chromosome-variant-coordinate": "a composite of three parts",
    "chromosome-window-coordinate": "a composite of three parts",
    "referenceseqid-variant-coordinate": "a composite of three parts",
    "referenceseqid-window-coordinate": "a composite of three parts",
}
_NOTES: Final = {
    "phonetic": "matches folded text as `name` does; no phonetic algorithm",
    "_content": "words of the whole resource, folded and stemmed",
    "_text": "words of the narrative, folded and stemmed",
}
_PLAIN: Final = frozenset(PRIMITIVES | {"ContactPoint"})


def _first_numbers() -> dict[str, int]:
    numbers, number = {}, 1
    for type_ in RESOURCE_TYPES:
        numbers[type_] = number
        number += len(_R4["parameters"][type_])
    return numbers


_FIRST_NUMBERS: Final = _first_numbers()


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a path ends: ``element`` in its structure, ``types`` after casts, ``single`` if one value at most."""

    types: tuple[str, ...]
    element: Element
    single: bool


def leaf(root: str, path: paths.Path) -> Leaf | None:
    """Follows ``path`` from the structure ``root`` down the element tree; None where the path has no step.

    ``KeyError`` if R4 has no such element."""
    at: tuple[str, ...] = (root,)
    found: Element | None = None
    single = True
    for step in path.steps:
        elements = [e for e in (structure(t).elements.get(step.name) for t in at) if e]
        if not elements:
            raise KeyError(f"{root}: no element {step.name}")
        found = elements[0]
        at = (step.cast,) if step.cast else found.types
        single = single and (step.first or not found.many)
    return Leaf(at, found, single) if found else None


_Parsed: TypeAlias = dict[str, tuple[str, tuple[str, ...], tuple[paths.Path, ...]]]
"""Code → kind (and parts, of a composite), targets, paths."""


def _stored_as(own: str, parsed: _Parsed) -> tuple[tuple[str, str | None], ...]:
    """Other parameters of the type whose values together are exactly those of ``own``; itself if there are none."""
    kind, targets, wanted = parsed[own]
    keep = ((own, None),)
    if not wanted or own.startswith("_"):
        return keep
    found: dict[str, str | None] = {}
    for path in wanted:
        for code, (other_kind, other_targets, other) in parsed.items():
            if code == own or other_kind != kind or not other or code.startswith("_"):
                continue
            same = set(other) <= set(wanted) and path in other
            # Equal parameters: the one with the most targets stores, then the first of the alphabet.
            if same and set(other) == set(wanted) and (-len(targets), own) < (-len(other_targets), code):
                same = False
            narrowed = path.narrow is not None and paths.Path(path.steps) in other
            if same:
                found[code] = None
            elif narrowed and {paths.Path(p.steps, path.narrow) for p in other} <= set(wanted):
                found[code] = path.narrow
            else:
                continue
            break
        else:
            return keep
    return tuple(found.items())


def _systems(type_: str, kind: str, parsed: tuple[paths.Path, ...]) -> tuple[str, ...] | None:
    """The systems that plain token values imply; None where a value carries its own system."""
    if kind != "token" or not parsed:
        return None
    systems = {""}
    for path in parsed:
        end = leaf(type_, path)
        if end is None or not set(end.types) <= _PLAIN:
            return None
        if end.element.value_set and "code" in end.types:
            systems |= set(value_set(end.element.value_set))
    return tuple(sorted(systems))


@cache
def parameters(type_: str) -> Mapping[str, Parameter]:
    """Code → parameter, for every search parameter of a resource type, those on all resources (``_id``, …) included."""
    rows = _R4["parameters"][type_]
    parsed: _Parsed = {}
    for code, kind, _, expression, targets, components in rows:
        read = paths.parse(expression, type_)
        if type_ == "Bundle" and kind == "reference":
            # Bundle.entry[0].resource is a Composition for one parameter and a MessageHeader for the other.
            read = tuple(paths.Path(p.steps, targets[0]) for p in read)
        # Composites are alike only if their parts are.
        alike = " ".join([kind, *(e for _, e in components)])
        parsed[code] = (alike, RESOURCE_TYPES if targets == ["Resource"] else tuple(targets), read)
    kinds = {row[0]: row[1] for row in rows}
    made = {}
    for offset, (code, kind, url, expression, _, components) in enumerate(rows):
        _, targets, read = parsed[code]
        leaves = [leaf(type_, p) for p in read]
        elements = {id(e.element) for e in leaves if e}
        made[code] = Parameter(
            number=_FIRST_NUMBERS[type_] + offset,
            type=type_,
            code=code,
            name=f"{type_}.{code}",
            kind=kind,
            url="http://hl7.org/fhir/SearchParameter/" + url,
            targets=targets,
            expression=expression,
            paths=read,
            single=bool(read) and all(e is None or e.single for e in leaves) and len(elements) <= 1,
            stored_as=tuple((f"{type_}.{c}", t) for c, t in _stored_as(code, parsed)),
            systems=_systems(type_, kind, read),
            components=tuple((c, kinds[c]) for c, _ in components),
            root=kind == "composite" and all(not p.steps for p in read),
            supported=code not in _UNSUPPORTED,
            reason=_UNSUPPORTED.get(code) or _NOTES.get(code),
        )
    return MappingProxyType(made)


def parameter(type_: str, code: str) -> Parameter | None:
    """The search parameter ``code`` of a resource type, or None."""
    return parameters(type_).get(code)


def component_expressions(type_: str, code: str) -> tuple[str, ...]:
    """The expressions of a composite's components, relative to the composite's own expression."""
    return next(tuple(e for _, e in row[5]) for row in _R4["parameters"][type_] if row[0] == code)


@cache
def compartment(name: str) -> Mapping[str, tuple[str, ...]]:
    """Type → codes of the reference parameters by which its resources belong to a compartment of the type ``name``
    (Patient, Encounter, Practitioner, RelatedPerson, Device). A resource that is the compartment itself belongs
    to it besides. ``KeyError`` for other names. Source: https://hl7.org/fhir/R4/compartmentdefinition.html."""
    return MappingProxyType({t: tuple(codes) for t, codes in _R4["compartments"][name].items()})


COMPARTMENTS: Final[tuple[str, ...]] = tuple(sorted(_R4["compartments"]))
