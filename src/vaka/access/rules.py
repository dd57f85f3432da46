"""The decision: may this person see this piece of information, and by which rule (A2–A10). Pure, and data.

The rules are one table for each purpose, read from the top; the first that fits decides. The same table is asked here
(``decide``), compiled to the filter that every read takes (``store.conditions``), and printed for people to read
(docs/access-rules.md). What fits none is denied.

Sources: Patientdatalagen 2008:355 (PDL) 4 kap.; lag 2022:913 (SVD) 2–4 kap.; HFD 2013:33; safety.md S20–S24. Points that a
lawyer has to settle are settings, with the closed choice as default (``access.settings``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from vaka.access.session import Purpose
from vaka.access.settings import Settings


class Outcome(StrEnum):
    """What a rule leads to."""

    PERMIT = "permit"
    CHOICE = "choice"
    """Shown to exist, and opened by an active choice (``$open``)."""
    EXISTENCE = "existence"
    """Its existence may be shown as S21 says, its content not."""
    DENY = "deny"


class Fact(StrEnum):
    """What a rule asks of the information, the patient and the person. Each has its words in ``MEANINGS``."""

    IDENTITY = "identity"
    NO_PATIENT = "no_patient"
    DIRECTORY = "directory"
    OWNED = "owned"
    OWN_UNIT = "own_unit"
    OWN_PROVIDER = "own_provider"
    CONSENTS = "consents"
    WHEREABOUTS = "whereabouts"
    VISIT = "visit"
    PROTECTED = "protected"
    RELATION = "relation"
    CONSENT = "consent"
    INCAPACITY = "incapacity"
    CHOSEN = "chosen"
    EMERGENCY = "emergency"
    INNER_BLOCK = "inner_block"
    OUTER_BLOCK = "outer_block"
    LIFTED = "lifted"
    AGED = "aged"


MEANINGS: Mapping[Fact, tuple[str, str]] = {
    Fact.IDENTITY: ("uppgiften är patientens identitet (Patient)", "it is the patient's identity (Patient)"),
    Fact.NO_PATIENT: ("uppgiften gäller ingen patient", "it is about no patient"),
    Fact.DIRECTORY: (
        "uppgiften hör till katalogen: personal, enheter, platser, kodverk",
        "it belongs to the directory: staff, units, places, code systems",
    ),
    Fact.OWNED: ("det är känt vilken vårdgivare som äger uppgiften", "the care provider that owns it is known"),
    Fact.OWN_UNIT: ("den egna vårdenheten äger uppgiften", "the person's own unit owns it"),
    Fact.OWN_PROVIDER: ("den egna vårdgivaren äger uppgiften", "the person's own care provider owns it"),
    Fact.CONSENTS: ("uppgiften är en spärr eller ett samtycke", "it is a block or a consent"),
    Fact.WHEREABOUTS: (
        "uppgiften visar var och när patienten är i kontakt med vården, eller närstående",
        "it tells where and when the patient meets care, or names relatives",
    ),
    Fact.VISIT: ("uppgiften är en vårdkontakt eller bokning", "it is an encounter, an episode or an appointment"),
    Fact.PROTECTED: ("patienten har skyddade personuppgifter", "the patient's identity is protected"),
    Fact.RELATION: (
        "patienten har nu en vårdrelation till den egna vårdenheten",
        "the patient has a care relation to the person's unit now",
    ),
    Fact.CONSENT: (
        "patientens samtycke till den egna enheten eller vårdgivaren gäller",
        "the patient's consent to the person's unit or provider is in force",
    ),
    Fact.INCAPACITY: (
        "personen har intygat att patienten inte bara tillfälligt saknar förmåga att samtycka",
        "the person has attested that the patient lacks capacity to consent for more than the moment",
    ),
    Fact.CHOSEN: (
        "personen har aktivt valt att öppna denna enhets eller vårdgivares uppgifter",
        "the person has opened this unit's or provider's information by an active choice",
    ),
    Fact.EMERGENCY: ("personen har gjort en nödöppning som gäller", "an emergency opening by the person is in force"),
    Fact.INNER_BLOCK: (
        "en inre spärr som gäller omfattar uppgiften",
        "an inner block that is in force covers it",
    ),
    Fact.OUTER_BLOCK: (
        "en yttre spärr som gäller omfattar uppgiften",
        "an outer block that is in force covers it",
    ),
    Fact.LIFTED: (
        "personen har hävt den inre spärren med intygat skäl",
        "the person has lifted the inner block with an attested reason",
    ),
    Fact.AGED: (
        "läskopian kan inte veta om spärrar och samtycken ännu gäller",
        "the read copy cannot know whether blocks and consents still hold",
    ),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. Fits where all of ``when`` hold and none of ``unless``. ``setting``: a member of Settings that switches it on."""

    id: str
    law: str
    outcome: Outcome
    when: tuple[Fact, ...]
    unless: tuple[Fact, ...]
    sv: str
    en: str
    setting: str | None = None


_PERMIT, _CHOICE, _EXISTENCE, _DENY = Outcome
_F = Fact

_COMMON = (
    Rule(
        "A1-directory", "PDL 4:1", _PERMIT, (_F.NO_PATIENT, _F.DIRECTORY), (),
        "Katalogen är öppen för alla som är inloggade.", "The directory is open to everybody who is logged in.",
    ),
    Rule(
        "A1-own", "PDL 4:1", _PERMIT, (_F.NO_PATIENT, _F.OWN_PROVIDER), (),
        "Uppgiften gäller ingen patient och ägs av den egna vårdgivaren.",
        "It is about no patient, and the own care provider owns it.",
    ),
    Rule(
        "A1-other", "PDL 4:1", _DENY, (_F.NO_PATIENT,), (),
        "Uppgiften gäller ingen patient och ägs av någon annan.", "It is about no patient, and somebody else owns it.",
    ),
    Rule(
        "A1-identity", "PDL 4:1; S5, A10", _PERMIT, (_F.IDENTITY,), (),
        "Vem patienten är visas för all vårdpersonal; skyddade personuppgifter maskeras.",
        "Who the patient is can be seen by all staff; what is protected is masked.",
    ),
    Rule(
        "A8-unknown", "SVD 2:1; A8", _DENY, (), (_F.OWNED,),
        "Det är okänt vilken vårdgivare som äger uppgiften, därför visas den inte.",
        "Which care provider owns it is unknown, so it is not shown.",
    ),
)  # fmt: skip

_CARE = (
    *_COMMON,
    Rule(
        "A2", "PDL 4:1", _PERMIT, (_F.OWN_UNIT, _F.RELATION), (),
        "Den egna enheten äger uppgiften och deltar i vården av patienten.",
        "The own unit owns it and takes part in the patient's care.",
    ),
    Rule(
        "A9-unit", "PDL 4:1", _PERMIT, (_F.OWN_UNIT, _F.EMERGENCY), (),
        "Nödöppning: den egna enhetens uppgifter.", "Emergency opening: the own unit's information.",
    ),
    Rule(
        "A2-none", "PDL 4:1", _DENY, (_F.OWN_UNIT,), (),
        "Patienten har ingen vårdrelation till enheten nu. Intyga en vårdrelation om du deltar i vården.",
        "The patient has no care relation to the unit now. Attest one if you take part in the care.",
    ),
    Rule(
        "S21-consents", "PDL 4:4; S21", _DENY, (_F.CONSENTS,), (),
        "Andra enheters spärrar och samtycken visas inte: de skulle röja var patienten har varit.",
        "Blocks and consents of other units are not shown: they would tell where the patient has been.",
    ),
    Rule(
        "S24", "OSL 25:1; S24", _DENY, (_F.PROTECTED, _F.WHEREABOUTS), (_F.EMERGENCY,),
        "Patienten har skyddade personuppgifter: var och när andra enheter möter patienten visas inte.",
        "The patient's identity is protected: where and when other units meet the patient is not shown.",
    ),
    Rule(
        "A5-inner", "PDL 4:4", _EXISTENCE, (_F.INNER_BLOCK,), (_F.LIFTED,),
        "Uppgiften är spärrad (inre spärr).", "It is blocked (inner block).",
    ),
    Rule(
        "S21-emergency", "SVD 4:4; S21 (L)", _PERMIT, (_F.OUTER_BLOCK, _F.EMERGENCY), (_F.OWN_PROVIDER,),
        "Nödöppning omfattar även yttre spärr (regionens inställning).",
        "The emergency opening covers outer blocks too (the region's setting).",
        setting="outer_block_opens_in_emergency",
    ),
    Rule(
        "A5-outer", "SVD 2:3", _EXISTENCE, (_F.OUTER_BLOCK,), (_F.OWN_PROVIDER,),
        "Uppgiften är spärrad mot andra vårdgivare (yttre spärr).", "It is blocked from other care providers (outer block).",
    ),
    Rule(
        "A9-provider", "PDL 4:1", _PERMIT, (_F.OWN_PROVIDER, _F.EMERGENCY), (),
        "Nödöppning: den egna vårdgivarens uppgifter.", "Emergency opening: the own care provider's information.",
    ),
    Rule(
        "A3", "PDL 4:1", _PERMIT, (_F.OWN_PROVIDER, _F.RELATION, _F.CHOSEN), (),
        "En annan enhet hos den egna vårdgivaren äger uppgiften; du har valt att öppna den.",
        "Another unit of the own care provider owns it; you have chosen to open it.",
    ),
    Rule(
        "A3-choice", "PDL 4:1", _CHOICE, (_F.OWN_PROVIDER, _F.RELATION), (),
        "Uppgifter finns vid en annan enhet. De öppnas med ett aktivt val.",
        "Information exists at another unit. An active choice opens it.",
    ),
    Rule(
        "A3-none", "PDL 4:1", _DENY, (_F.OWN_PROVIDER,), (),
        "Patienten har ingen vårdrelation till enheten nu.", "The patient has no care relation to the unit now.",
    ),
    Rule(
        "A9", "SVD 4:4", _PERMIT, (_F.EMERGENCY,), (),
        "Nödöppning: uppgifter hos andra vårdgivare.", "Emergency opening: other care providers' information.",
    ),
    Rule(
        "A8-aged", "SVD 2:3, 3:1; A8, S20", _EXISTENCE, (_F.RELATION, _F.AGED), (),
        "Läskopian har länge inte hört journalen, eller är inte ikapp: andra vårdgivares uppgifter visas bara vid nödöppning.",
        "The read copy has long not heard the journal, or is catching up: other care providers' information is shown in an"
        " emergency opening alone.",
    ),
    Rule(
        "A4", "SVD 3:1", _PERMIT, (_F.RELATION, _F.CONSENT, _F.CHOSEN), (),
        "En annan vårdgivare äger uppgiften; vårdrelation och samtycke finns och du har valt att öppna den.",
        "Another care provider owns it; there are care relation and consent, and you have chosen to open it.",
    ),
    Rule(
        "S25", "SVD 3 kap.; S25 (L)", _PERMIT, (_F.RELATION, _F.INCAPACITY), (),
        "En annan vårdgivare äger uppgiften; patienten saknar inte bara tillfälligt förmåga att samtycka (inställning).",
        "Another care provider owns it; the patient lacks capacity for more than the moment (a setting).",
        setting="incapacity_stands_for_consent",
    ),
    Rule(
        "A4-choice", "SVD 3:1", _CHOICE, (_F.RELATION, _F.CONSENT), (),
        "Uppgifter finns hos en annan vårdgivare. De öppnas med ett aktivt val.",
        "Information exists at another care provider. An active choice opens it.",
    ),
    Rule(
        "A4-consent", "SVD 3:1", _EXISTENCE, (_F.RELATION,), (),
        "Uppgifter finns hos andra vårdgivare. Patientens samtycke behövs.",
        "Information exists at other care providers. The patient's consent is needed.",
    ),
    Rule(
        "A4-none", "SVD 3:1", _DENY, (), (),
        "Patienten har ingen vårdrelation till enheten nu.", "The patient has no care relation to the unit now.",
    ),
)  # fmt: skip

_ADMINISTRATION = (
    *_COMMON,
    Rule(
        "A1-administration", "PDL 2:4 p. 2", _PERMIT, (_F.OWN_UNIT, _F.VISIT), (),
        "Administration: den egna enhetens vårdkontakter och bokningar.",
        "Administration: the own unit's encounters and appointments.",
    ),
    Rule(
        "A1-administration-none", "PDL 2:4 p. 2", _DENY, (), (),
        "Uppdraget administration omfattar inte uppgiften.", "Administration does not cover it.",
    ),
)  # fmt: skip

_QUALITY = (
    *_COMMON,
    Rule(
        "A1-quality-blocked", "PDL 2:4 p. 4; 4:4", _DENY, (_F.INNER_BLOCK,), (_F.OWN_UNIT,),
        "Uppgiften är spärrad.", "It is blocked.",
    ),
    Rule(
        "S24-quality", "OSL 25:1; S24", _DENY, (_F.PROTECTED, _F.WHEREABOUTS), (),
        "Patienten har skyddade personuppgifter.", "The patient's identity is protected.",
    ),
    Rule(
        "A1-quality", "PDL 2:4 p. 4", _PERMIT, (_F.OWN_PROVIDER,), (_F.CONSENTS,),
        "Kvalitetsarbete: den egna vårdgivarens uppgifter.", "Quality work: the own care provider's information.",
    ),
    Rule(
        "A1-quality-none", "PDL 2:4 p. 4", _DENY, (), (),
        "Uppdraget kvalitetsarbete omfattar inte uppgiften.", "Quality work does not cover it.",
    ),
)  # fmt: skip

RULES: Mapping[Purpose, tuple[Rule, ...]] = {
    Purpose.CARE: _CARE,
    Purpose.ADMINISTRATION: _ADMINISTRATION,
    Purpose.QUALITY: _QUALITY,
}
PERMITS: Mapping[str, int] = {
    id_: 1 << place
    for place, id_ in enumerate(
        dict.fromkeys(rule.id for table in RULES.values() for rule in table if rule.outcome is _PERMIT)
    )
}
"""A bit for each rule that permits: by which of them an answer's entries were permitted is one number. For one process alone,
never stored: the access log holds their ids."""


def rules(purpose: Purpose, settings: Settings, *, aged: bool = False) -> tuple[Rule, ...]:
    """The table for ``purpose``, without what ``settings`` leave switched off. ``aged``: it is asked on a copy that cannot know
    whether blocks and consents still hold, since it has long not heard the journal or is catching up (A8, S20)."""
    return tuple(
        rule
        for rule in RULES[purpose]
        if (rule.setting is None or getattr(settings, rule.setting)) and (aged or Fact.AGED not in rule.when)
    )


@cache
def permitted_by(bits: int) -> str:
    """The ids of these rules, with spaces between them."""
    return " ".join(id_ for id_, bit in PERMITS.items() if bits & bit)


def decide(purpose: Purpose, settings: Settings, holds: Callable[[Fact], bool], *, aged: bool = False) -> Rule:
    """The rule that decides. ``holds``: whether a fact is so; asked only as far as the table needs it."""
    for rule in rules(purpose, settings, aged=aged):
        if all(holds(fact) for fact in rule.when) and not any(holds(fact) for fact in rule.unless):
            return rule
    raise AssertionError("each table ends with a rule that always fits")
