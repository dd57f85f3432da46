"""An order written in reserve, checked against the allergies and intolerances that are known here (S12).

It warns and refuses nothing: who orders decides, and is told how many are known, which of them the order meets, and that some
are withheld. Invariant: that nothing was met never says "no allergy": without a common code or word nothing can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka import config
from vaka.access.rules import Outcome
from vaka.copy.reserve.entry import Part
from vaka.copy.reserve.taken import ORDERS
from vaka.fhir.entries import in_error
from vaka.fhir.keys import resource_key
from vaka.fhir.query import parse_query

if TYPE_CHECKING:
    from vaka.access.filter import AccessFilter
    from vaka.api.server import Server

HEADER: Final = "Vaka-Allergies"
_ATC: Final = "http://www.whocc.no/atc"
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_CONCEPTS: Final = ("medicationCodeableConcept", "code", "codeCodeableConcept", "orderDetail")
_OVER: Final = frozenset({"inactive", "resolved"})
_NOT: Final = frozenset({"refuted"})


@dataclass(frozen=True, slots=True)
class Checked:
    """``known``: how many are active; ``met``: those that an order meets, as ``Type/id``; ``more``: there are more than
    were looked at; ``withheld``: the caller may not see all of the patient's information."""

    known: int
    met: tuple[str, ...]
    more: bool = False
    withheld: bool = False

    @property
    def text(self) -> str:
        """As the header says it."""
        met = f"; met={','.join(self.met)}" if self.met else ""
        return f"known={self.known}{'+' if self.more else ''}{met}{'; withheld' if self.withheld else ''}"


async def check(server: Server, access: AccessFilter, parts: Sequence[Part]) -> Checked | None:
    """What the orders among ``parts`` meet; None where there are none."""
    orders = [
        (part.patient, resource)
        for part in parts
        if part.type in ORDERS and part.body is not None and part.patient is not None
        for resource in [orjson.loads(part.body)]
        if resource.get("status") in ("active", "draft", "on-hold")
    ]
    if not orders:
        return None
    known, met, more, withheld = 0, dict[str, None](), False, False
    searches = server.store.searching(access)
    for patient in sorted({patient for patient, _ in orders}):
        query = parse_query(
            ["AllergyIntolerance"], [("patient", patient)], base_url="", strict=True, same=server.store.same
        )
        page = await searches.search(query, count=config.RESERVE_ALLERGIES_MAX)
        active = [(one.id, body) for one in page.matches if _counts(body := orjson.loads(one.body or b"{}"))]
        known, more = known + len(active), more or page.next is not None or page.aside > 0
        withheld = withheld or await _withheld(server, access, patient)
        for resource in [resource for of, resource in orders if of == patient]:
            ordered = list(concepts(resource, await _medication(server, access, resource)))
            met |= {f"AllergyIntolerance/{id_}": None for id_, allergy in active if meets(allergy, ordered)}
    return Checked(known, tuple(met), more, withheld)


def _counts(allergy: Mapping[str, Any]) -> bool:
    clinical = {str(one.get("code")) for one in _codings(allergy.get("clinicalStatus"))}
    verified = {str(one.get("code")) for one in _codings(allergy.get("verificationStatus"))}
    return not in_error(allergy) and not clinical & _OVER and not verified & _NOT


def concepts(order: Mapping[str, Any], medication: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """CodeableConcepts of what is ordered. ``medication``: the Medication that it names."""
    held = {one.get("id"): one for one in order.get("contained", ()) if isinstance(one, Mapping)}
    reference = order.get("medicationReference")
    named = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
    for source in (order, held.get(named.removeprefix("#")) if named.startswith("#") else None, medication):
        if not isinstance(source, Mapping):
            continue
        for name in _CONCEPTS:
            value = source.get(name)
            yield from value if isinstance(value, list) else [value]
        for ingredient in source.get("ingredient", ()):
            yield ingredient.get("itemCodeableConcept")


def meets(allergy: Mapping[str, Any], ordered: Sequence[Any]) -> bool:
    """Whether the order has a code of the allergy, an ATC code above or below one of it, or a word of its name."""
    reactions = allergy.get("reaction")
    substances = (
        [one.get("substance") for one in reactions if isinstance(one, Mapping)] if isinstance(reactions, list) else []
    )
    causes = [allergy.get("code"), *substances]
    codes, theirs = _codes(causes), _codes(ordered)
    if codes & theirs:
        return True
    atc, other = ({code for system, code in one if system == _ATC} for one in (codes, theirs))
    if any(one.startswith(two) or two.startswith(one) for one in atc for two in other):
        return True
    return bool(_words(causes) & _words(ordered))


def _codes(found: Sequence[Any]) -> set[tuple[str, str]]:
    return {
        (str(one.get("system")), str(one["code"])) for concept in found for one in _codings(concept) if one.get("code")
    }


def _words(found: Sequence[Any]) -> set[str]:
    texts = [
        str(text)
        for concept in found
        if isinstance(concept, Mapping)
        for text in (concept.get("text"), *(one.get("display") for one in _codings(concept)))
        if text
    ]
    return {word for text in texts for word in _WORD.findall(text.casefold())}


def _codings(concept: Any) -> list[Mapping[str, Any]]:
    held = concept.get("coding") if isinstance(concept, Mapping) else None
    return [one for one in held if isinstance(one, Mapping)] if isinstance(held, list) else []


async def _medication(server: Server, access: AccessFilter, order: Mapping[str, Any]) -> Mapping[str, Any] | None:
    reference = order.get("medicationReference")
    type_, _, id_ = str(reference.get("reference", "") if isinstance(reference, Mapping) else "").partition("/")
    if type_ != "Medication":
        return None
    found = await server.store.read(type_, id_, access=access)
    return orjson.loads(found.body) if found is not None and found.body is not None else None


async def _withheld(server: Server, access: AccessFilter, patient: str) -> bool:
    """Whether allergies and alerts of the patient are hidden from the person, and may be said to be there (S21)."""
    session = access.session
    if session is None:
        return False
    _, groups = await server.store.groups(session, access.settings, resource_key("Patient", patient))
    return any(
        one.about.kind == "alert"
        and (one.rule.outcome in (Outcome.CHOICE, Outcome.EXISTENCE) or one.rule.id == "A8-unknown")
        for one in groups
    )
