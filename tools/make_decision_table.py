"""Makes docs/access-rules.md, the decision table for people to read, from the table that decides (``vaka.access.rules``).

    python tools/make_decision_table.py            # writes it
    python tools/make_decision_table.py --check    # exit code 1 where the file is not what this makes

Everything that decides comes from the code: rules, order, conditions, settings, times. Words for outcomes, purposes, settings
and times stand here, in Swedish and English; a new one without words stops this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from vaka.access import limits
from vaka.access.rules import MEANINGS, RULES, Fact, Outcome, Rule
from vaka.access.session import Purpose
from vaka.access.settings import CLOSED

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "access-rules.md"

# Swedish, English.
PURPOSES: Final[Mapping[Purpose, tuple[str, str]]] = {
    Purpose.CARE: ("Vård och behandling", "Care and treatment"),
    Purpose.ADMINISTRATION: ("Administration", "Administration"),
    Purpose.QUALITY: ("Kvalitetsarbete", "Quality work"),
}
OUTCOMES: Final[Mapping[Outcome, tuple[str, str, str, str]]] = {
    Outcome.PERMIT: ("**Visas**", "Uppgiften visas.", "**Shown**", "The information is shown."),
    Outcome.CHOICE: (
        "**Aktivt val**",
        "Att uppgifter finns visas. De öppnas när personen väljer det; valet loggas.",
        "**Active choice**",
        "That there is information is shown. It opens when the person chooses so; the choice is logged.",
    ),
    Outcome.EXISTENCE: (
        "**Endast att den finns**",
        "Innehållet visas inte. Att något finns får framgå, i två steg som loggas var för sig (S21).",
        "**Existence only**",
        "The content is not shown. That there is something may be told, in two steps that are logged each (S21).",
    ),
    Outcome.DENY: (
        "**Visas inte**",
        "Varken uppgiften eller att den finns visas; svaret är detsamma som om den inte fanns.",
        "**Not shown**",
        "Neither the information nor its existence is shown; the answer is that of something that does not exist.",
    ),
}
SETTINGS: Final[Mapping[str, tuple[str, str]]] = {
    "outer_block_opens_in_emergency": (
        "Om en nödöppning även visar det som en yttre spärr omfattar.",
        "Whether an emergency opening also shows what an outer block covers.",
    ),
    "incapacity_stands_for_consent": (
        "Om en annan vårdgivares uppgifter kan öppnas utan samtycke när patienten inte bara tillfälligt saknar förmåga att "
        "samtycka: med vårdrelation, med intygat skäl och med vad som är känt om patientens inställning. Yttre spärrar gäller.",
        "Whether another provider's information can be opened without consent where the patient lacks capacity for more than the "
        "moment: with a care relation, an attested reason, and what is known of the patient's attitude. Outer blocks hold.",
    ),
}
_DAY: Final = 86_400 * 1_000_000
TIMES: Final[Mapping[str, tuple[tuple[str, str], int]]] = {
    "RELATION_BEFORE_US": (
        (
            "En planerad kontakt räknas som vårdrelation så lång tid i förväg: {} dygn.",
            "A planned contact counts as a care relation this long before it: {} days.",
        ),
        _DAY,
    ),
    "RELATION_AFTER_US": (
        (
            "En avslutad kontakt räknas som vårdrelation så lång tid efteråt: {} dygn.",
            "A contact that has ended counts as a care relation this long after it: {} days.",
        ),
        _DAY,
    ),
    "ATTESTED_DAYS": (
        (
            "En vårdrelation som en person har intygat upphör efter {} dygn.",
            "A care relation that a person attested ends after {} days.",
        ),
        1,
    ),
    "CHOICE_HOURS": (("Ett aktivt val gäller i {} timmar.", "An active choice counts for {} hours."), 1),
    "EMERGENCY_MAX_HOURS": (
        (
            "En nödöppning gäller en patient och en person, högst {} timmar.",
            "An emergency opening holds for one patient and one person, for at most {} hours.",
        ),
        1,
    ),
    "LIFT_MAX_HOURS": (
        (
            "En inre spärr som hävts med intygat skäl är hävd i högst {} timmar.",
            "An inner block that was lifted with an attested reason stays lifted for at most {} hours.",
        ),
        1,
    ),
}
# What a condition means in detail, where its words leave a question (access.facts, access.ownership, store.conditions).
DEFINITIONS: Final[Mapping[Fact, tuple[str, str]]] = {
    Fact.IDENTITY: (
        "Namn, personnummer och kontaktuppgifter; adress och närstående maskeras där identiteten är skyddad",
        "Name, personal number and contacts; address and relatives are masked where the identity is protected",
    ),
    Fact.NO_PATIENT: (
        "Det som alltid är någons (anteckningar, provsvar, dokument …) räknas inte hit om det inte är känt vems det är",
        "What always is somebody's (notes, results, documents …) does not count as this where it is not known whose",
    ),
    Fact.OWNED: (
        "Ägaren sätts när uppgiften skrivs, ur skribentens uppdrag eller vårdkontaktens vårdgivare, och ändras inte",
        "The owner is set when the information is written, from the writer's assignment or the encounter's provider, and stays",
    ),
    Fact.RELATION: (
        "Följer av en vårdkontakt, en bokning, en remiss (även hos mottagaren) eller en vårdrelation som någon har intygat; den "
        "har början och slut, se Tider. Inställda och makulerade räknas inte",
        "Follows from an encounter, an appointment, a referral (at its receiver too) or a relation that somebody attested; it "
        "begins and ends, see Times. Cancelled and mistaken ones do not count",
    ),
    Fact.CONSENT: (
        "Ett registrerat samtycke (Consent som tillåter) som inte är återkallat och vars tid gäller",
        "A registered consent (a Consent that permits) that has not been withdrawn and whose time has come and not passed",
    ),
    Fact.INCAPACITY: (
        "Intygas för en patient och en vårdgivare i taget, med skäl, och gäller i så många timmar som ett aktivt val",
        "Attested for one patient and one provider at a time, with a reason, for as many hours as an active choice",
    ),
    Fact.INNER_BLOCK: (
        "En registrerad spärr (Consent som nekar) för enhetens eller vårdgivarens uppgifter, för alla slag eller ett. Säger den "
        "inte vilken sort den är, räknas den som både inre och yttre. Hävd för den egna enheten under en tid gäller den inte där",
        "A registered block (a Consent that denies) of a unit's or provider's information, of all kinds or one. Where it does "
        "not say which sort it is, it counts as inner and outer. Lifted for the own unit for a time, it does not hold there",
    ),
    Fact.PROTECTED: (
        "Sekretessmarkering eller skyddad folkbokföring",
        "Marked as secret, or with a protected registration, in the population register",
    ),
}
# Limits of text, which decide nothing here.
_NO_TIMES: Final = frozenset({"REASON_MIN_CHARS", "REASON_MAX_CHARS"})


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that one language needs; ``index`` is its place in the pairs."""

    index: int
    title: str
    intro: tuple[str, ...]
    head: tuple[str, ...]
    both: str
    either: str
    always: str
    unless: str
    setting: str
    outcomes: str
    conditions: str
    settings: str
    closed: str
    switched: str
    times: str
    sources: tuple[str, ...]


SWEDISH: Final = Words(
    0,
    "## På svenska",
    (
        "Varje tabell gäller ett ändamål, det som medarbetarens uppdrag har. Raderna prövas uppifrån. Den första rad vars "
        "villkor alla är uppfyllda, och vars undantag inte är det, avgör; raderna under den spelar då ingen roll. Sista raden "
        "passar alltid: det som ingen annan rad tillåter visas inte.",
        "Tabellerna prövas för varje uppgift (en version av en FHIR-resurs) som skulle lämnas ut, på ett enda ställe i "
        "programmet, också i sökningar, räkningar och historik. När något vägras har loggen radens namn.",
    ),
    ("Nr", "Rad", "Om", "Utfall", "I ord", "Rättslig grund"),
    "och",
    "eller",
    "alltid",
    "men inte om",
    "bara med inställningen",
    "Utfall",
    "Villkor",
    "Inställningar",
    "Grundläge: avstängd",
    "En inställning slås på med `vaka up --law NAMN=on`, ingen annanstans. Vad som är på visas av `vaka status` och vid varje "
    "start; en ändring står i åtkomstloggen.",
    "Tider",
    (
        "PDL: patientdatalagen (2008:355). SVD: lagen (2022:913) om sammanhållen vård- och omsorgsdokumentation. OSL: "
        "offentlighets- och sekretesslagen (2009:400). A-nummer: regler i [hazards.md](hazards.md) och projektets underlag; "
        "S-nummer: [hazards.md](hazards.md). **(L)**: en rättsfråga som ska avgöras av en jurist; till dess gäller det slutna "
        "alternativet.",
        "Tabellen är hur programmet läser lagen. Den har inte granskats av någon jurist.",
    ),
)
ENGLISH: Final = Words(
    1,
    "## In English",
    (
        "Each table is for one purpose, that of the person's assignment. Rows are tried from the top. The first row whose "
        "conditions all hold, and whose exceptions do not, decides; the rows below it then do not matter. The last row always "
        "fits: what no other row permits is not shown.",
        "The tables are tried for each piece of information (a version of a FHIR resource) that would be given out, in one place "
        "of the program, searches, counts and history included. Where something is refused, the log has the row's name.",
    ),
    ("No", "Row", "If", "Outcome", "In words", "Law"),
    "and",
    "or",
    "always",
    "but not if",
    "only with the setting",
    "Outcomes",
    "Conditions",
    "Settings",
    "Default: off",
    "A setting is switched on with `vaka up --law NAME=on`, and nowhere else. What is on is shown by `vaka status` and at each "
    "start; a change is in the access log.",
    "Times",
    (
        "PDL: Patient Data Act (2008:355). SVD: act (2022:913) on shared care documentation. OSL: act (2009:400) on public "
        "access and secrecy. A numbers: rules of the project's sources; S numbers: [hazards.md](hazards.md). **(L)**: a point of "
        "law that a lawyer has to settle; until then the closed choice holds.",
        "The table is how the program reads the law. No lawyer has reviewed it.",
    ),
)


def page() -> str:
    """The whole file."""
    lines = [
        "# Vem får se vad? · Who may see what?",
        "",
        "<!-- Made by tools/make_decision_table.py from src/vaka/access/rules.py. Change the rules, not this file. -->",
        "Skapad ur den tabell som programmet avgör med. · Made from the table that the program decides by.",
    ]
    for words in (SWEDISH, ENGLISH):
        lines += ["", *_language(words)]
    return "\n".join(lines) + "\n"


def _language(words: Words) -> Iterator[str]:
    yield words.title
    for paragraph in words.intro:
        yield ""
        yield paragraph
    for number, purpose in enumerate(Purpose, 1):
        yield ""
        yield f"### {number}. {PURPOSES[purpose][words.index]}"
        yield ""
        yield _row(words.head)
        yield _row("---" for _ in words.head)
        for place, rule in enumerate(RULES[purpose], 1):
            told = rule.sv if words.index == 0 else rule.en
            outcome = OUTCOMES[rule.outcome][2 * words.index]
            yield _row((f"{number}.{place}", f"`{rule.id}`", _condition(rule, words), outcome, told, rule.law))
    yield ""
    yield f"### {words.outcomes}"
    yield ""
    for outcome in Outcome:
        name, told = OUTCOMES[outcome][2 * words.index : 2 * words.index + 2]
        yield f"- {name}: {told}"
    yield ""
    yield f"### {words.conditions}"
    yield ""
    for fact in Fact:
        more = f". {DEFINITIONS[fact][words.index]}" if fact in DEFINITIONS else ""
        yield f"- `{fact}`: {MEANINGS[fact][words.index]}{more}."
    yield ""
    yield f"### {words.settings}"
    yield ""
    yield words.switched
    yield ""
    for setting in fields(CLOSED):
        assert getattr(CLOSED, setting.name) is False, f"{setting.name}: the default is not the closed choice"
        yield f"- `{setting.name}`: {SETTINGS[setting.name][words.index]} {words.closed}. **(L)**"
    yield ""
    yield f"### {words.times}"
    yield ""
    for name in _times():
        sentences, unit = TIMES[name]
        yield f"- {sentences[words.index].format(getattr(limits, name) // unit)}"
    for paragraph in words.sources:
        yield ""
        yield paragraph


def _condition(rule: Rule, words: Words) -> str:
    when = f"; **{words.both}** ".join(MEANINGS[fact][words.index] for fact in rule.when) or words.always
    excepted = f" {words.either} ".join(MEANINGS[fact][words.index] for fact in rule.unless)
    unless = f"; **{words.unless}** {excepted}" if excepted else ""
    setting = f" ({words.setting} `{rule.setting}`)" if rule.setting else ""
    return when + unless + setting


def _times() -> list[str]:
    """Every time that ``access.limits`` names, in its order."""
    return [name for name in vars(limits) if name.isupper() and not name.startswith("_") and name not in _NO_TIMES]


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    made = page()
    if "--check" in sys.argv[1:]:
        sys.exit(TARGET.read_text("utf-8") != made)
    TARGET.write_text(made, "utf-8")


if __name__ == "__main__":
    main()
