"""Told people whose identity or kin matters: mother and newborn, dementia with a reserve number."""

from __future__ import annotations

from datetime import date
from random import Random

from region_places import NURSE
from region_record import Record, at, on
from region_slots import PERSONNUMMER
from region_ward import Signs, course, daily_notes, observe, prescribe


def mother(random: Random) -> Record:
    """A mother the day after giving birth; the pregnancy's visits."""
    r = Record("mor", True, date(1994, 8, 23), "Amanda", "Sjögren", random, primary="vc-hamnen")
    r.patient(kin="Sambo")
    for week in (8, 12, 18, 25, 29, 33, 36, 38, 40):
        day = (week - 41) * 7
        v = r.encounter(
            "kvinnomott",
            "AMB",
            at(day, "10:00"),
            at(day, "10:30"),
            ("Z34.0", "Övervakning av normal första graviditet"),
            turn=0,
        )
        r.pressure(v, at(day, "10:05"), 112 + week // 4, 66 + week // 6)
        r.vital(v, at(day, "10:06"), "Vikt", 61 + week * 0.33)
        r.lab(v, at(day, "09:40"), "B-Hemoglobin(Hb)", 131 - week * 0.4)
        r.note(
            v,
            at(day, "10:30"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": f"Graviditetsvecka {week}",
                "Status": f"SF-mått {max(0, week - 1)} cm. Fosterljud 140."
                if week > 20
                else "Ultraljud med hjärtaktivitet.",
                "Bedömning": "Normal graviditet.",
                "Planering": "Fortsatt basprogram.",
            },
            profession="Barnmorska",
        )
        if week == 8:
            r.no_known_allergies(v, on(day))
            r.panel(
                v,
                at(day, "09:30"),
                "Inskrivningsprover",
                {"P-Ferritin": 38, "P-TSH": 1.8, "B-HbA1c": 33, "P-Glukos": 4.9},
            )
    v = r.encounter(
        "bb51",
        "IMP",
        at(-2, "22:15"),
        None,
        ("O80.0", "Spontan förlossning i kronhjässbjudning"),
        bed=11,
        turn=0,
        planned_discharge="Hemmet",
    )
    r.condition(v, on(-1), "O80.0", "Spontan förlossning i kronhjässbjudning", problem=False)
    r.condition(v, on(-1), "Z37.0", "Enkelbörd, levande fött barn", problem=False)
    r.procedure(v, at(-1, "06:42"), "Sutur av bristning grad II", kva="MBC33")
    r.administer(
        v, at(-1, "06:20"), "oxytocin", r.order(v, at(-1, "06:15"), "oxytocin", status="completed", inpatient=True)
    )
    r.note(
        v,
        at(-1, "07:30"),
        "Förlossningsanteckning",
        {
            "Förlopp": "Inkom med värkar och vattenavgång. Öppen 10 cm 04:50. Framfött 06:12, flicka 3 540 g.",
            "Blödning": "400 mL.",
            "Bedömning": "Okomplicerad förlossning.",
            "Planering": "Hem efter barnläkarundersökning.",
        },
        profession="Barnmorska",
    )
    prescribe(r, v, -1, ["paracetamol"])
    r.panel(v, at(0, "07:10"), "Efter förlossning", {"B-Hemoglobin(Hb)": 104})
    course(r, v, -1, Signs(118, 70, 88, 16, 98, 37.2), Signs(114, 68, 76, 15, 99, 36.8), clocks=("08:10", "20:00"))
    return r


def newborn(random: Random) -> Record:
    """A day-old girl: reserve number first, then personnummer; linked to her mother by number."""
    r = Record(
        "nyfödd", True, -1, "Alma", "Sjögren", random, number="both", primary="vc-hamnen", family_slot="‹family@mor›"
    )
    r.patient(kin="Mor")
    r.add(
        "RelatedPerson",
        {
            "identifier": [{"system": PERSONNUMMER, "value": "‹number@mor›"}],
            "active": True,
            "patient": r.subject,
            "relationship": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
                            "code": "MTH",
                            "display": "mother",
                        }
                    ],
                    "text": "Mor",
                }
            ],
            "name": [{"family": "‹family@mor›", "given": ["‹given@mor›"]}],
        },
    )
    v = r.encounter(
        "bb51",
        "IMP",
        at(-1, "06:12"),
        None,
        ("Z38.0", "Enkelbörd, fött på sjukhus"),
        bed=12,
        turn=0,
        planned_discharge="Hemmet",
    )
    r.condition(v, on(-1), "Z38.0", "Enkelbörd, fött på sjukhus", problem=False)
    for clock, loinc, name, value in (
        ("06:13", "9272-6", "Apgar 1 minut", 8),
        ("06:17", "9274-2", "Apgar 5 minuter", 9),
        ("06:22", "9271-8", "Apgar 10 minuter", 10),
    ):
        r.score(v, at(-1, clock), loinc, name, value)
    r.vital(v, at(-1, "07:00"), "Vikt", 3.5)
    r.vital(v, at(-1, "07:00"), "Längd", 50)
    r.vital(v, at(-1, "07:00"), "Huvudomfång", 35.0)
    r.administer(
        v,
        at(-1, "07:20"),
        "fytomenadion",
        r.order(v, at(-1, "07:10"), "fytomenadion", status="completed", inpatient=True),
    )
    for clock, bilirubin in (("07:30", 92), ("13:30", 118)):
        r.lab(v, at(0, clock), "P-Bilirubin", bilirubin)
    for clock in ("12:00", "20:00"):
        r.vital(v, at(-1, clock), "Kroppstemperatur", 36.9)
        r.vital(v, at(-1, clock), "Andningsfrekvens", 44)
    r.vital(v, at(0, "06:30"), "Vikt", 3.4)
    r.note(
        v,
        at(-1, "12:30"),
        "Omvårdnadsanteckning",
        {"Nutrition": "Ammar med gott tag.", "Elimination": "Kissat och bajsat.", "Hud": "Rosig."},
        profession="Barnmorska",
    )
    r.referral(v, at(-1, "08:00"), "PKU-prov", "kemlab", "Screening", category="Laboratorium")
    r.appointment("barnmott", 1, "09:20", 20, "Barnläkarundersökning")
    r.appointment("vc-hamnen", 6, "13:00", 40, "Hembesök barnavårdscentral", profession=NURSE)
    return r


def dementia(random: Random) -> Record:
    """Found wandering without papers: reserve number at first, later known; allergies not recorded; no resuscitation."""
    r = Record("demens", False, date(1939, 12, 5), "Folke", "Bergman", random, number="both", primary="vc-kajen")
    r.patient(kin="Dotter")
    ed = r.encounter(
        "akuten",
        "EMER",
        at(-4, "02:40"),
        at(-4, "09:30"),
        "Påträffad förvirrad utomhus, okänd identitet",
        bed=9,
        turn=0,
    )
    r.note(
        ed,
        at(-4, "02:50"),
        "Triage",
        {
            "Kontaktorsak": "Inkommer med polis, okänd man, nedkyld",
            "Prioritet": "Orange",
            "Omvårdnadsåtgärd": "Reservnummer satt. Värmetäcke, odlingar ej tagna.",
        },
        profession=NURSE,
    )
    observe(r, ed, at(-4, "02:52"), Signs(102, 58, 58, 14, 95, 34.6, "C"))
    r.note(
        ed,
        at(-4, "08:40"),
        "Akutanteckning",
        {
            "Kontaktorsak": "Förvirring, nedkylning",
            "Anamnes": "Identifierad 08:10 genom dotter. Känd Alzheimers sjukdom, bor ensam med larm.",
            "Bedömning": "Konfusion vid demens, mild hypotermi, UVI?",
            "Planering": "Ava 31. Reservnumret kopplas till personnumret.",
        },
    )
    v = r.encounter(
        "ava31",
        "IMP",
        at(-4, "09:30"),
        None,
        ("G30.9", "Alzheimers sjukdom, ospecificerad"),
        bed=16,
        turn=0,
        planned_discharge="Särskilt boende, biståndsbeslut väntar",
    )
    r.condition(v, on(-2100), "G30.9", "Alzheimers sjukdom, ospecificerad", snomed="26929004")
    r.condition(v, on(-4), "N39.0", "Urinvägsinfektion, utan angiven lokalisation", problem=False)
    r.flag(v, on(-3), "clinical", "Behandlingsbegränsning: 0 HLR, 0 IVA", snomed="304253006")
    r.flag(v, on(-4), "safety", "Fallrisk", snomed="129839007")
    r.flag(v, on(-4), "behavioral", "Vandrar, avvikningsrisk")
    r.note(
        v,
        at(-3, "11:20"),
        "Ställningstagande",
        {
            "Bedömning": "Långt framskriden demens, skör. Samråd med dotter och kollega.",
            "Ställningstagande": "Ej hjärt-lungräddning, ej intensivvård. Behandling av infektion och symtomlindring ges.",
            "Planering": "Omprövas vid utskrivning.",
        },
    )
    prescribe(r, v, -3, ["nitrofurantoin", "memantin", "donepezil", "paracetamol"])
    r.panel(
        v,
        at(-4, "04:00"),
        "Akutprover",
        {
            "P-CRP": 46,
            "B-Leukocyter": 11.8,
            "B-Hemoglobin(Hb)": 129,
            "P-Kreatinin": 118,
            "P-Natrium": 148,
            "P-Kalium": 3.8,
            "P-Glukos": 5.2,
            "P-TSH": 2.2,
            "P-Kobalamin": 210,
        },
    )
    r.panel(v, at(-1, "06:00"), "Prover", {"P-CRP": 18, "P-Natrium": 143, "P-Kreatinin": 96})
    course(r, v, -3, Signs(118, 66, 72, 15, 96, 36.2, "C"), Signs(132, 74, 70, 15, 97, 36.8, "C"))
    daily_notes(r, v, -4, "F03", physio=True)
    r.note(
        v,
        at(-1, "14:00"),
        "Vårdplanering",
        {
            "Deltagare": "Dotter, biståndshandläggare, arbetsterapeut",
            "Beslut": "Ansökan om särskilt boende.",
            "Planering": "Utskrivningsklar om två dagar.",
        },
        profession=NURSE,
    )
    return r
