"""A resource type's search parameters as one tree, walked once over a resource.

Each edge is a JSON property; on it stand the functions for the values found there (``fhir.emit``) and the ``present``
keys of the parameters whose path ends there. Compiled when a type is first met, from the paths of its parameters and
the element tree. No FHIRPath is read while a resource is indexed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, Final, NamedTuple, TypeAlias

from vaka.fhir import definitions
from vaka.fhir.definitions import Parameter, structure
from vaka.fhir.emit import emitter
from vaka.fhir.found import Emit, Found
from vaka.fhir.index_tokens import local_reference, pair_parts
from vaka.fhir.keys import key
from vaka.fhir.paths import Path, Step, parse

# Columns of the store, words, or without an expression.
_ELSEWHERE: Final = frozenset({"_id", "_lastUpdated", "_text", "_content", "_query"})


class Edge(NamedTuple):
    """``where``: only values whose child has this value. ``first``: only the first value. ``present``: keys to add."""

    where: tuple[str, str] | None
    first: bool
    present: tuple[int, ...]
    actions: tuple[Emit, ...]
    below: Tree


Tree: TypeAlias = dict[str, tuple[Edge, ...]]
RootAction: TypeAlias = Callable[[dict[str, Any], Found], None]


class Compiled(NamedTuple):
    """``always``: run on the whole resource. ``implied``: (key, any, keys): the key is had if any or all of keys
    are."""

    tree: Tree
    always: tuple[RootAction, ...]
    implied: tuple[tuple[int, bool, tuple[int, ...]], ...]


@dataclass
class _Draft:
    """An edge while it is made."""

    where: tuple[str, str] | None
    first: bool
    present: list[int] = field(default_factory=list)
    actions: list[Emit] = field(default_factory=list)
    below: dict[str, list[_Draft]] = field(default_factory=dict)


_Drafts: TypeAlias = dict[str, list[_Draft]]


def _edge(drafts: _Drafts, property_: str, step: Step) -> _Draft:
    edges = drafts.setdefault(property_, [])
    for edge in edges:
        if (edge.where, edge.first) == (step.where, step.first):
            return edge
    edges.append(_Draft(step.where, step.first))
    return edges[-1]


def _is(type_: str, wanted: str) -> bool:
    """A type is itself and what it specialises: a canonical is a uri."""
    return type_ == wanted or (type_ in definitions.PRIMITIVES and structure(type_).base == wanted)


def properties(of: str, step: Step) -> list[tuple[str, str]]:
    """The JSON properties of a structure that a step means, each with the type that it holds."""
    held = structure(of).properties
    return [(p, t) for p, (e, t) in held.items() if e.name == step.name and (step.cast is None or _is(t, step.cast))]


def _ends(drafts: _Drafts, of: str, steps: tuple[Step, ...]) -> list[tuple[_Draft, str]]:
    """The edges where a path ends, with the type of their values; made where they are missing."""
    step, *rest = steps
    found: list[tuple[_Draft, str]] = []
    for property_, type_ in properties(of, step):
        if not rest:
            found.append((_edge(drafts, property_, step), type_))
        elif type_ not in definitions.PRIMITIVES and any(properties(type_, rest[0])):
            found += _ends(_edge(drafts, property_, step).below, type_, tuple(rest))
    return found


def _truth(parameter: Parameter, path: Path) -> RootAction:
    """``deceased``: true if the element exists and is not false. Every resource has a value."""
    names = [p for p, _ in properties(parameter.type, path.steps[0])]
    yes, no, present = (key(parameter.name, *k) for k in (("c", "true"), ("c", "false"), ("present",)))

    def act(resource: dict[str, Any], found: Found) -> None:
        true = any(resource.get(name, False) is not False for name in names)
        found.tokens.update((present, yes if true else no))

    return act


def _narrowed_presence(parameter: Parameter, target: str | None) -> Emit:
    present = key(parameter.name, "present")

    def act(value: Any, _: dict[str, Any], found: Found) -> None:
        local = local_reference(value["reference"]) if "reference" in value else None
        if (local and local[0] == target) or value.get("type") == target:
            found.tokens.add(present)

    return act


def _code_elements(type_: str) -> dict[str, str]:
    """Quantity parameter → the element beside its values whose code they carry, from the composites of the type."""
    found: dict[str, str] = {}
    for composite in definitions.parameters(type_).values():
        if composite.kind == "composite" and composite.supported and len(composite.paths) == 1:
            quantity = composite.components[1]
            if quantity[1] == "quantity":
                found[quantity[0]] = definitions.component_expressions(type_, composite.code)[0]
    return found


def _pair(composite: Parameter, of: str) -> Emit:
    """The pairs of one repetition of the composite's element, a value of the structure ``of``."""
    name, present = composite.name, key(composite.name, "present")
    expressions = definitions.component_expressions(composite.type, composite.code)
    sides: list[list[tuple[str, str]]] = []
    systems: list[tuple[str, ...]] = []
    quantity = composite.components[1][1] == "quantity"
    for (code, _), expression in zip(composite.components, expressions, strict=True):
        component = definitions.parameters(composite.type)[code]
        sides.append([found for path in parse(expression, None) for found in properties(of, path.steps[0])])
        allowed = {t for path in component.paths if (end := definitions.leaf(composite.type, path)) for t in end.types}
        sides[-1] = [(p, t) for p, t in sides[-1] if t in allowed]
        systems.append(component.systems or ("",))

    def act(value: Any, _: dict[str, Any], found: Found) -> None:
        if quantity:
            if all(any(p in value for p, _ in side) for side in sides):
                found.tokens.add(present)
            return
        parts = [
            [part for p, t in side if p in value for part in pair_parts(t, value[p], known)]
            for side, known in zip(sides, systems, strict=True)
        ]
        for pair in product(*parts):
            found.tokens.add(key(name, "pair", *pair))
            found.tokens.add(present)

    return act


def _composite(parameter: Parameter, drafts: _Drafts) -> tuple[int, bool, tuple[int, ...]] | None:
    """Puts a composite's pairs into the tree, or gives what its presence is implied by."""
    present = key(parameter.name, "present")
    if parameter.root:
        return present, False, tuple(key(f"{parameter.type}.{c}", "present") for c, _ in parameter.components)
    if parameter.stored_as != ((parameter.name, None),):
        return present, True, tuple(key(name, "present") for name, _ in parameter.stored_as)
    for path in parameter.paths:
        for edge, type_ in _ends(drafts, parameter.type, path.steps):
            edge.actions.append(_pair(parameter, type_))
    return None


def _place(parameter: Parameter, path: Path, drafts: _Drafts, code_element: str | None) -> None:
    """Puts one path of a parameter that is no composite into the tree."""
    own = parameter.stored_as == ((parameter.name, None),)
    for edge, type_ in _ends(drafts, parameter.type, path.steps):
        if path.narrow and type_ == "Reference":
            edge.actions.append(_narrowed_presence(parameter, path.narrow))
        elif type_ != "Resource":
            edge.present.append(key(parameter.name, "present"))
        action = emitter(parameter, type_, path.narrow, code_element) if own else None
        if action:
            edge.actions.append(action)


def _frozen(drafts: _Drafts) -> Tree:
    return {
        property_: tuple(
            Edge(e.where, e.first, tuple(dict.fromkeys(e.present)), tuple(e.actions), _frozen(e.below)) for e in edges
        )
        for property_, edges in drafts.items()
    }


@cache
def compiled(type_: str) -> Compiled:
    """The tree of a resource type; ``KeyError`` if R4 has none of this name."""
    drafts: _Drafts = {}
    always: list[RootAction] = []
    implied = []
    code_elements = _code_elements(type_)
    for code, parameter in definitions.parameters(type_).items():
        if code in _ELSEWHERE or not parameter.supported:
            continue
        if parameter.kind == "composite":
            rule = _composite(parameter, drafts)
            implied += [rule] if rule else []
            continue
        for path in parameter.paths:
            if path.truth:
                always.append(_truth(parameter, path))
            else:
                _place(parameter, path, drafts, code_elements.get(code))
    # A composite may be implied by another: those that need all of their parts come first.
    implied.sort(key=lambda rule: rule[1])
    return Compiled(_frozen(drafts), tuple(always), tuple(implied))


def walk(tree: Tree, value: dict[str, Any], found: Found) -> None:
    """Runs the tree over one element. A value that a function cannot read is passed over: the resource was accepted."""
    for property_, held in value.items():
        edges = tree.get(property_)
        if edges is None:
            continue
        values = held if type(held) is list else (held,)
        for where, first, present, actions, below in edges:
            for one in values[:1] if first else values:
                if one is None or (where and (type(one) is not dict or one.get(where[0]) != where[1])):
                    continue
                if present:
                    found.tokens.update(present)
                for act in actions:
                    try:
                        act(one, value, found)
                    except Exception:  # noqa: S112 - nothing that was accepted may be lost for its index
                        continue
                if below and type(one) is dict:
                    walk(below, one, found)
