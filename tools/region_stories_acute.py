"""Told people in acute care: sepsis, a hip fracture."""

from __future__ import annotations

from datetime import date
from random import Random

from region_places import NURSE, PHYSIO
from region_record import Record, ago, at, on
from region_ward import Signs, course, daily_notes, doses, observe, prescribe


def sepsis(random: Random) -> Record:
    """Urosepsis on its third day: antibiotics changed, cultures answered in part, an unsigned note."""
    r = Record("sepsis", False, date(1948, 3, 14), "Rolf", "Lindberg", random, primary="vc-hamnen")
    r.patient(kin="Maka")
    for year in range(7, 0, -1):
        v = r.encounter(
            r.primary,
            "AMB",
            at(-365 * year + 20, "09:00"),
            at(-365 * year + 20, "09:30"),
            ("E11.9", "Diabetes mellitus typ 2"),
            turn=0,
        )
        if year == 7:
            r.condition(
                v, on(-365 * 7), "E11.9", "Diabetes mellitus typ 2 utan (uppgift om) komplikationer", snomed="44054006"
            )
            r.condition(v, on(-365 * 7), "I10.9", "Essentiell hypertoni", snomed="59621000")
            r.condition(v, on(-365 * 4), "N40.9", "Prostataförstoring")
            r.allergy(
                v,
                on(-365 * 7),
                "373270004",
                "Penicillin",
                "medication",
                reaction=("271807003", "Hudutslag"),
                confirmed=False,
            )
        r.pressure(v, at(-365 * year + 20, "09:10"), 142 - year, 82)
        r.panel(
            v,
            at(-365 * year + 18, "07:40"),
            "Diabetesprover",
            {
                "B-HbA1c": 49 + 8 - year,
                "P-Kreatinin": 98 - year,
                "P-Kalium": 4.2,
                "P-LDL-kolesterol": 2.1,
                "U-Albumin/Kreatinin": 3.4,
            },
        )
        r.note(
            v,
            at(-365 * year + 20, "09:30"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": "Årskontroll diabetes",
                "Status": "Fotstatus utan sår. BT se mätvärden.",
                "Bedömning": "God kontroll.",
                "Planering": "Oförändrad behandling, ny kontroll om ett år.",
            },
        )
    for drug in ("metformin", "enalapril", "tamsulosin", "atorvastatin"):
        r.order(v, at(-345, "09:25"), drug)
    ed = r.encounter(
        "akuten", "EMER", at(-3, "19:20"), at(-3, "23:40"), ("R50.9", "Feber, ospecificerad"), bed=3, turn=0
    )
    r.note(
        ed,
        at(-3, "19:25"),
        "Triage",
        {
            "Kontaktorsak": "Feber, frossa, nytillkommen förvirring",
            "Prioritet": "Röd",
            "Omvårdnadsåtgärd": "Två PVK, odlingar före antibiotika, syrgas på mask.",
        },
        profession=NURSE,
    )
    observe(r, ed, at(-3, "19:26"), Signs(88, 46, 124, 28, 90, 39.4, "C", 5))
    r.panel(
        ed,
        at(-3, "19:40"),
        "Akutprover",
        {
            "P-CRP": 287,
            "B-Leukocyter": 21.4,
            "B-Hemoglobin(Hb)": 134,
            "B-Trombocyter": 118,
            "P-Kreatinin": 212,
            "P-Kalium": 5.1,
            "P-Natrium": 133,
            "P-Laktat": 4.8,
            "P-Glukos": 16.8,
            "P-Prokalcitonin": 24.3,
        },
    )
    r.administer(ed, at(-3, "19:55"), "ringer", until=at(-3, "20:55"))
    first = r.order(
        ed,
        at(-3, "19:58"),
        "meropenem",
        status="completed",
        inpatient=True,
        reason="Misstänkt sepsis, uppgift om penicillinallergi",
    )
    r.administer(ed, at(-3, "20:05"), "meropenem", first)
    r.note(
        ed,
        at(-3, "21:30"),
        "Akutanteckning",
        {
            "Kontaktorsak": "Feber och förvirring",
            "Anamnes": "Sedan två dygn sveda vid vattenkastning. I dag frossa, fann ej sängen.",
            "Status": "Takykard, hypotensiv, marmorerad. Dunköm över höger njure.",
            "Bedömning": "Septisk chock under utveckling, fokus urinvägar. SOFA +4.",
            "Åtgärd": "Odlingar, meropenem inom 45 minuter, 2 000 mL Ringer, KAD.",
            "Planering": "Inläggning infektion, IVA vidtalad.",
        },
    )
    v = r.encounter(
        "inf35",
        "IMP",
        at(-3, "23:40"),
        None,
        ("A41.9", "Sepsis, ospecificerad"),
        bed=12,
        turn=0,
        planned_discharge="Hemmet",
    )
    r.condition(v, on(-3), "A41.5", "Sepsis orsakad av andra gramnegativa organismer", problem=False)
    r.flag(v, on(-3), "safety", "Fallrisk", snomed="129839007")
    ask = r.referral(
        v,
        at(-3, "23:50"),
        "Blododling x 2",
        "mikrolab",
        "Sepsis, fokus urinvägar",
        category="Mikrobiologi",
        urgent=True,
        loinc="600-7",
    )
    r.report(
        v,
        at(-2, "14:20"),
        "Blododling",
        [],
        category="MB",
        conclusion="Preliminärt svar: växt av gramnegativa stavar i 2 av 2 flaskor.",
        performer="mikrolab",
        loinc="600-7",
        status="preliminary",
        based_on=ask,
    )
    final = r.report(
        v,
        at(-1, "11:05"),
        "Urinodling",
        [],
        category="MB",
        conclusion="Escherichia coli >100 milj/L. Känslig för cefotaxim, ciprofloxacin, gentamicin. Resistent mot ampicillin.",
        performer="mikrolab",
        loinc="630-4",
    )
    r.task(v, at(-1, "11:06"), "Urinodling att vidimera", final)
    for day, crp, lactate, creatinine, white in (
        (-2, 312, 2.4, 188, 18.9),
        (-1, 204, 1.6, 149, 14.2),
        (0, 128, 1.1, 121, 11.0),
    ):
        r.panel(
            v,
            at(day, "05:50"),
            "Morgonprover",
            {
                "P-CRP": crp,
                "P-Laktat": lactate,
                "P-Kreatinin": creatinine,
                "B-Leukocyter": white,
                "P-Kalium": 4.3,
                "P-Natrium": 137,
                "P-Glukos": 10.4,
            },
        )
    r.note(
        v,
        at(-2, "00:30"),
        "Inskrivning",
        {
            "Inskrivningsorsak": "Septisk chock, urosepsis",
            "Socialt": "Gift, egen villa. Pensionerad lärare.",
            "Status": "Svarar på vätska, BT 104/58.",
            "Ordination": "Meropenem till odlingssvar. NEWS2 varje timme första natten. Vätskelista.",
            "Planering": "Ultraljud njurar i morgon.",
        },
    )
    prescribe(r, v, -2, ["dalteparin", "paracetamol", "insulinaspart", "tamsulosin"])
    old = r.order(v, at(-2, "00:45"), "meropenem", status="stopped", inpatient=True)
    for hour in ("06:10", "14:05", "22:00"):
        r.administer(v, at(-2, hour), "meropenem", old)
    new = r.order(v, at(-1, "11:30"), "cefotaxim", inpatient=True, reason="Smalnat av efter odlingssvar")
    doses(r, v, "cefotaxim", new, -1)
    drip = r.order(v, at(-1, "12:00"), "ringer", inpatient=True)
    r.administer(v, ago(170), "ringer", drip, status="in-progress")
    r.report(
        v,
        at(-2, "13:00"),
        "Ultraljud njurar",
        [],
        category="RAD",
        conclusion="Lätt vidgat njurbäcken höger, ingen säker avstängd pyelit. Kontroll om 2 dygn.",
        performer="rontgen",
        loinc="38036-0",
    )
    r.referral(
        v,
        at(-1, "13:40"),
        "Ultraljud njurar, kontroll",
        "rontgen",
        "Vidgat njurbäcken höger",
        category="Bilddiagnostik",
    )
    course(
        r,
        v,
        -2,
        Signs(98, 54, 112, 24, 93, 38.9, "C", 3),
        Signs(126, 70, 82, 17, 96, 37.3),
        clocks=("02:10", "06:05", "10:10", "14:00", "18:05", "22:10"),
    )
    for day, into, out in ((-2, 5200, 1450), (-1, 3100, 2300)):
        r.vital(v, at(day, "23:55"), "Vätskeintag", into)
        r.vital(v, at(day, "23:55"), "Vätskeutsöndring", out)
    daily_notes(r, v, -3, "A41", unsigned=0)
    r.appointment(r.primary, 6, "10:00", 30, "Uppföljning efter slutenvård")
    return r


def hip(random: Random) -> Record:
    """A hip fracture operated yesterday; an anticoagulant on hold, pain and a falling haemoglobin."""
    r = Record("höft", True, date(1938, 7, 2), "Märta", "Nordström", random, primary="vc-bjorkbacken")
    r.patient(kin="Son")
    v = r.encounter(
        r.primary, "AMB", at(-410, "10:10"), at(-410, "10:40"), ("I48.9", "Förmaksflimmer, ospecificerat"), turn=0
    )
    r.condition(v, on(-2200), "I48.9", "Förmaksflimmer och förmaksfladder, ospecificerat", snomed="49436004")
    r.condition(v, on(-1500), "M81.9", "Osteoporos, ospecificerad", snomed="64859006")
    r.condition(v, on(-900), "H91.9", "Hörselnedsättning, ospecificerad")
    r.allergy(v, on(-2000), "387406002", "Sulfonamid", "medication", reaction=("271807003", "Hudutslag"))
    held = r.order(v, at(-410, "10:30"), "apixaban", status="on-hold", dose=2.5)
    for drug in ("alendronat", "kalciumd", "metoprolol"):
        r.order(v, at(-410, "10:30"), drug)
    ed = r.encounter(
        "akuten", "EMER", at(-2, "11:05"), at(-2, "15:30"), ("S72.0", "Fraktur på lårbenshalsen"), bed=7, turn=0
    )
    r.note(
        ed,
        at(-2, "11:10"),
        "Triage",
        {
            "Kontaktorsak": "Fall i hemmet, ont höger höft",
            "Prioritet": "Orange – snabbspår höft",
            "Omvårdnadsåtgärd": "Förkortat och utåtroterat ben. Smärtlindrad, KAD, EKG, prover.",
        },
        profession=NURSE,
    )
    observe(r, ed, at(-2, "11:12"), Signs(158, 84, 92, 18, 94, 36.6))
    r.report(
        ed,
        at(-2, "12:05"),
        "Röntgen höft",
        [],
        category="RAD",
        conclusion="Dislocerad cervikal kollumfraktur höger (Garden III).",
        performer="rontgen",
        loinc="36663-3",
    )
    v = r.encounter(
        "ort43",
        "IMP",
        at(-2, "15:30"),
        None,
        ("S72.0", "Fraktur på lårbenshalsen"),
        bed=16,
        turn=0,
        planned_discharge="Solgläntans geriatriska avdelning",
    )
    r.condition(v, on(-2), "S72.0", "Fraktur på lårbenshalsen", problem=False)
    r.flag(v, on(-2), "safety", "Fallrisk", snomed="129839007")
    r.flag(v, on(-2), "clinical", "Risk för trycksår")
    r.note(
        v,
        at(-2, "16:30"),
        "Inskrivning",
        {
            "Inskrivningsorsak": "Dislocerad kollumfraktur höger",
            "Aktuellt": "Eliquis senast i dag kl 08. Minns fallet, ingen svimning.",
            "Ordination": "Eliquis pausas. Op tidigast 24 timmar efter senaste dos. Fascia iliaca-blockad.",
            "Planering": "Halvprotes i morgon. Koagulationsprover.",
        },
    )
    r.panel(
        v,
        at(-2, "12:30"),
        "Inskrivningsprover",
        {
            "B-Hemoglobin(Hb)": 128,
            "B-Trombocyter": 221,
            "P-PK(INR)": 1.3,
            "P-Kreatinin": 92,
            "P-Kalium": 3.9,
            "P-Natrium": 138,
            "P-CRP": 6,
        },
    )
    r.procedure(v, at(-1, "13:20"), "Halvprotes höft höger", kva="NFB19")
    r.note(
        v,
        at(-1, "15:10"),
        "Operationsberättelse",
        {
            "Operation": "Cementerad halvprotes höger höft",
            "Anestesi": "Spinal",
            "Förlopp": "Okomplicerat. Blödning 250 mL.",
            "Planering": "Full belastning. Trombosprofylax 28 dagar. Eliquis åter efter samråd.",
        },
    )
    r.panel(
        v,
        at(0, "06:00"),
        "Prover dag 1",
        {"B-Hemoglobin(Hb)": 96, "P-CRP": 74, "P-Kreatinin": 104, "P-Natrium": 134, "P-Kalium": 3.6},
    )
    prescribe(r, v, -1, ["paracetamol", ("oxikodondepot", 5), "dalteparin", "makrogol", "metoprolol"])
    extra = r.order(v, at(-1, "17:00"), "oxikodon", inpatient=True)
    for day, clock in ((-1, "19:40"), (-1, "23:50"), (0, "05:30")):
        r.administer(v, at(day, clock), "oxikodon", extra)
    course(r, v, -1, Signs(112, 60, 96, 18, 93, 37.4, "A", 1), Signs(128, 68, 84, 17, 95, 37.2))
    r.score(v, at(-1, "20:00"), "38227-5", "Riskbedömning trycksår (Braden)", 15)
    r.note(
        v,
        at(0, "09:40"),
        "Fysioterapianteckning",
        {
            "Bedömning": "Uppe på sängkanten med hjälp av två. Yr.",
            "Åtgärd": "Reste sig med gåbord, 3 steg.",
            "Planering": "Förflyttning till stol i eftermiddag. Gåbord beställt.",
        },
        profession=PHYSIO,
    )
    daily_notes(r, v, -2, "S72", unsigned=0)
    r.task(
        v, at(0, "06:50"), "Hb 96 efter operation, ta ställning till transfusion och Eliquis", held, code="Ta ställning"
    )
    return r
