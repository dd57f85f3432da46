"""Who sees what, read plainly from care-rules.md and safety.md: slow, and obviously right. Knows nothing of the code that it judges."""

from __future__ import annotations

from collections.abc import Iterable

from tests.access.world import Person, Program, Scope, Thing, World

SOMEBODYS = frozenset({"Observation", "Encounter"})
"""Of the world's types, those that are always somebody's: nobody has a care relation to whom it is not known to be (A8)."""


def sees(world: World, person: Person, thing: Thing) -> bool:
    """Whether ``person`` may read ``thing`` now."""
    if "read" not in person.rights:
        return False  # A1
    if thing.patient is None and thing.type not in SOMEBODYS:
        return thing.kind == "directory" or thing.provider == person.provider
    if thing.type == "Patient":
        return True  # who somebody is; masked where protected
    if thing.provider is None:
        return False  # A8: unknown owner
    if person.purpose == "administration":
        return thing.unit == person.unit and thing.kind == "contact"
    if person.purpose == "quality":
        return (
            thing.provider == person.provider
            and thing.kind != "consent"
            and not (thing.patient in world.protected and thing.kind in ("contact", "person"))
            and (thing.unit == person.unit or not blocked(world, person, thing, inner=True))
        )
    return cares(world, person, thing)


def cares(world: World, person: Person, thing: Thing) -> bool:
    """The rules for care and treatment, A2 to A10."""
    emergency = opened(world, person, thing, "emergency", None)
    related = any(
        relation.patient == thing.patient
        and relation.unit == person.unit
        and relation.days_from < 0 < relation.days_until
        for relation in world.relations
    )
    if thing.unit == person.unit:  # A2; a block never hides a unit's own information from it
        return related or emergency
    if thing.kind == "consent":  # S21: another unit's blocks would tell where the patient has been
        return False
    if thing.patient in world.protected and thing.kind in ("contact", "person") and not emergency:  # S24
        return False
    if blocked(world, person, thing, inner=True) and not opened(
        world, person, thing, "inner-block", thing.unit
    ):  # A5, A6
        return False
    if thing.provider != person.provider and blocked(world, person, thing, inner=False):  # A5, S21
        return False
    if emergency:  # A6, A9
        return True
    if thing.provider == person.provider:  # A3
        return related and opened(world, person, thing, "unit", thing.unit)
    consented = any(
        consent.patient == thing.patient and consent.in_force and consent.receiver in (person.unit, person.provider)
        for consent in world.consents
    )
    return related and consented and opened(world, person, thing, "provider", thing.provider)  # A4


def opened(world: World, person: Person, thing: Thing, what: str, target: str | None) -> bool:
    return any(
        one.person == person.name and one.patient == thing.patient and one.what == what and one.target == target
        for one in world.openings
    )


def blocked(world: World, person: Person, thing: Thing, *, inner: bool) -> bool:
    return any(
        block.patient == thing.patient
        and block.in_force
        and (block.inner if inner else block.outer)
        and block.provider == thing.provider
        and block.unit in (None, thing.unit)
        and block.kind in (None, thing.kind)
        and block.lifted_for != person.unit
        for block in world.blocks
    )


# Programs (issue 3, programs; SMART App Launch 2.2): what a scope covers, of what the program's provider has.


def knows(program: Program, thing: Thing, letters: str) -> bool:
    """Whether a program may do one of ``letters`` (r: read by id, s: find, u, d) with ``thing``."""
    return any(
        covers(scope, thing) and any(letter in scope.letters and reaches(program, thing, letter) for letter in letters)
        for scope in program.scopes
    )


def covers(scope: Scope, thing: Thing) -> bool:
    if scope.type not in ("*", thing.type):
        return False
    if scope.where is None:
        return True
    name, value = scope.where
    match name:
        case "category":
            return thing.kind == value
        case "code":
            coding = thing.resource["code"]["coding"][0]
            return value == f"{coding['system']}|{coding['code']}"
        case "patient":
            return value == f"Patient/{thing.patient}"
        case "identifier":
            return value.partition("|")[2] == thing.id
    raise AssertionError(name)


def reaches(program: Program, thing: Thing, letter: str) -> bool:
    """A program of one provider has what that one owns; reading, also the directory and who the patients are."""
    if program.provider is None or thing.provider == program.provider:
        return True
    return letter in "rs" and (thing.kind == "directory" or thing.type == "Patient")


def searches(program: Program, types: Iterable[str]) -> bool:
    """Whether the scopes let it search for any of these types."""
    return any("s" in scope.letters and (scope.type == "*" or scope.type in types) for scope in program.scopes)


def writes(program: Program) -> bool:
    return any(set(scope.letters) & set("cud") for scope in program.scopes)
