"""Told people with the longest or most guarded records: many drugs, psychiatry with blocks, dialysis."""

from __future__ import annotations

from datetime import date
from random import Random

from region_codes import ALLERGIES, REACTIONS
from region_places import NURSE, PHYSIO
from region_record import Record, ago, at, on
from region_ward import Signs, observe, prescribe


def polypharmacy(random: Random) -> Record:
    """Twelve hypersensitivities, twenty-two drugs, home care every day: about two thousand resources."""
    r = Record("polyfarmaci", True, date(1936, 1, 28), "Gunvor", "Söderberg", random, primary="vc-bjorkbacken")
    r.patient(kin="Dotter")
    v = r.encounter(
        r.primary, "AMB", at(-3600, "09:00"), at(-3600, "09:45"), ("I50.9", "Hjärtinkompetens, ospecificerad"), turn=0
    )
    for back, code, name in (
        (3600, "I50.9", "Hjärtinkompetens, ospecificerad"),
        (3600, "I48.9", "Förmaksflimmer och förmaksfladder, ospecificerat"),
        (3300, "N18.3", "Kronisk njursjukdom, stadium 3"),
        (3000, "M17.9", "Gonartros, ospecificerad"),
        (2800, "J44.9", "Kroniskt obstruktiv lungsjukdom, ospecificerad"),
        (2500, "E03.9", "Hypotyreos, ospecificerad"),
        (2000, "H40.1", "Primärt öppenvinkelglaukom"),
        (1700, "G47.0", "Insomni"),
        (1200, "L97.9", "Bensår"),
        (900, "D50.9", "Järnbristanemi, ospecificerad"),
    ):
        r.condition(v, on(-back), code, name)
    chosen = (
        "7984",
        "10831",
        "1191",
        "29046",
        "111088007",
        "735029006",
        "256277009",
        "25037",
        "264287008",
        "412071004",
        "762952008",
        "5640",
    )
    for number, key in enumerate(chosen):
        snomed, name, category = ALLERGIES[key]
        reaction = REACTIONS[category][number % 3]
        r.allergy(
            v,
            on(-3500 + number * 190),
            snomed,
            name,
            category,
            reaction=reaction,
            criticality="high" if reaction[1] == "Anafylaxi" else "low",
            confirmed=number % 4 != 3,
        )
    drugs = (
        "furosemid",
        "bisoprolol",
        "spironolakton",
        "apixaban",
        "atorvastatin",
        "levotyroxin",
        "tiotropium",
        "budesonidformo",
        "salbutamolinh",
        "paracetamol",
        "oxikodon",
        "makrogol",
        "laktulos",
        "omeprazol",
        "kalciumd",
        "jarn",
        "behepan",
        "zopiklon",
        "mirtazapin",
        "latanoprost",
        "timolol",
        "kaliumklorid",
    )
    orders = {drug: r.order(v, at(-900 + 30 * number, "10:00"), drug) for number, drug in enumerate(drugs)}
    for number in range(38):
        day = -3550 + number * 92
        c = r.encounter(
            r.primary, "AMB", at(day, "10:40"), at(day, "11:10"), ("I50.9", "Hjärtinkompetens, ospecificerad"), turn=0
        )
        r.pressure(c, at(day, "10:45"), random.randrange(112, 150), random.randrange(60, 84))
        r.vital(c, at(day, "10:46"), "Vikt", 72 - number * 0.3 + random.uniform(-1.5, 1.5))
        r.panel(
            c,
            at(day - 3, "08:00"),
            "Hjärtsviktsprover",
            {
                "P-Kreatinin": 82 + number * 1.3 + random.uniform(-6, 6),
                "P-Kalium": random.gauss(4.3, 0.3),
                "P-Natrium": random.gauss(138, 2),
                "P-NT-proBNP": 1400 + number * 60 + random.uniform(-300, 300),
                "B-Hemoglobin(Hb)": 124 - number * 0.4,
                "P-TSH": random.gauss(2.2, 0.6),
            },
        )
        r.note(
            c,
            at(day, "11:10"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": "Kontroll hjärtsvikt",
                "Aktuellt": random.choice(
                    ("Oförändrad ork.", "Svullnare ben, extra Furix i tre dagar.", "Sover sittande.", "Piggare.")
                ),
                "Status": "Lätta ödem. Inga rassel.",
                "Planering": random.choice(("Oförändrat.", "Furix ökas tillfälligt.", "Njurprover om två veckor.")),
            },
        )
    h = r.encounter("hemsjukvard", "HH", at(-420, "09:00"), None, ("L97.9", "Bensår"), turn=0)
    r.flag(h, on(-420), "safety", "Nyckel i nyckelskåp, larm. Hund i bostaden.")
    for day in range(-420, 1):
        if day % 3 == 0:
            r.note(
                h,
                at(day, "10:20"),
                "Omvårdnadsanteckning",
                {
                    "Hud": random.choice(
                        (
                            "Sår 3 × 2 cm, fibrin, lite vätskande. Omlagt.",
                            "Såret rent, granulerar.",
                            "Ökad rodnad runt såret, sårsköterska kontaktas.",
                        )
                    ),
                    "Läkemedel": "Dosett delad för veckan."
                    if day % 7 == 0
                    else "Läkemedel överlämnade enligt signeringslista.",
                },
                profession=NURSE,
            )
        if day % 7 == 0:
            r.vital(h, at(day, "10:10"), "Vikt", 61 + random.uniform(-1, 1.5))
            r.pressure(h, at(day, "10:12"), random.randrange(108, 144), random.randrange(58, 82))
    for day in range(-420, 1):
        for drug, hour in (("furosemid", "08"), ("apixaban", "08"), ("apixaban", "20")):
            r.administer(h, at(day, f"{hour}:{random.randrange(40):02d}"), drug, orders[drug])
    r.appointment(r.primary, 2, "10:40", 30, "Läkemedelsgenomgång")
    r.appointment("hjartmott", 7, "09:20", 40, "Uppföljning hjärtsvikt")
    return r


def psychiatric(random: Random) -> Record:
    """Bipolar disorder on the psychiatric ward; an inner and an outer block; notes that are not shown online."""
    r = Record("psykiatri", False, date(1989, 6, 11), "Daniel", "Hallgren", random, primary="vc-kajen")
    r.patient(kin="Bror")
    v = r.encounter(
        "psykmott", "AMB", at(-2400, "13:00"), at(-2400, "14:00"), ("F31.9", "Bipolär sjukdom, ospecificerad"), turn=0
    )
    r.condition(v, on(-2400), "F31.9", "Bipolär sjukdom, ospecificerad")
    r.allergy(v, on(-2400), "762952008", "Jordnöt", "food", reaction=("39579001", "Anafylaxi"), criticality="high")
    r.order(v, at(-2400, "13:50"), "litium")
    r.consent(
        at(-800, "15:10"), "patient-privacy", "Spärr inom vårdgivaren (inre spärr)", "psykmott", "Spärr", permit=False
    )
    r.consent(
        at(-800, "15:12"), "patient-privacy", "Spärr inom vårdgivaren (inre spärr)", "psyk71", "Spärr", permit=False
    )
    r.consent(
        at(-300, "09:30"),
        "patient-privacy",
        "Spärr mot andra vårdgivare (yttre spärr)",
        "capella-spec",
        "Spärr",
        permit=False,
    )
    for number in range(26):
        day = -2300 + number * 87
        c = r.encounter(
            "psykmott", "AMB", at(day, "13:00"), at(day, "13:40"), ("F31.9", "Bipolär sjukdom, ospecificerad"), turn=0
        )
        r.panel(
            c,
            at(day - 2, "08:00"),
            "Litiumkontroll",
            {
                "P-Litium": random.gauss(0.66, 0.1),
                "P-Kreatinin": 84 + number * 0.4,
                "P-TSH": 1.9 + number * 0.07,
                "P-Kalcium": 2.38,
            },
        )
        r.note(
            c,
            at(day, "13:40"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": "Uppföljning",
                "Psykiskt": random.choice(
                    ("Neutralt stämningsläge.", "Lätt förhöjt, sover fem timmar.", "Sänkt, drar sig undan.")
                ),
                "Suicidrisk": "Bedöms låg.",
                "Planering": random.choice(("Oförändrat litium.", "Tätare kontakt.", "Samtal med kurator.")),
            },
            hidden_online=number % 6 == 0,
        )
    o = r.encounter(
        "capella-spec", "AMB", at(-310, "10:00"), at(-310, "10:30"), ("L40.9", "Psoriasis, ospecificerad"), turn=0
    )
    r.note(
        o,
        at(-310, "10:30"),
        "Mottagningsbesök",
        {"Kontaktorsak": "Hudutslag", "Bedömning": "Psoriasis.", "Planering": "Kräm, åter vid behov."},
    )
    v = r.encounter(
        "psyk71",
        "IMP",
        at(-6, "16:20"),
        None,
        ("F31.2", "Bipolär sjukdom, manisk episod med psykotiska symtom"),
        bed=14,
        turn=0,
        planned_discharge="Hemmet",
    )
    r.condition(v, on(-6), "F31.2", "Bipolär sjukdom, manisk episod med psykotiska symtom", problem=False)
    r.flag(v, on(-6), "behavioral", "Risk för hot och våld")
    r.note(
        v,
        at(-6, "17:40"),
        "Inskrivning",
        {
            "Inskrivningsorsak": "Manisk episod, LPT",
            "Psykiskt": "Forcerat tal, storhetsidéer, irritabel.",
            "Suicidrisk": "Svårbedömd, extra tillsyn.",
            "Ordination": "Olanzapin, litium fortsätter, Sobril vid behov.",
            "Planering": "Lugn miljö. Litiumkoncentration.",
        },
        hidden_online=True,
    )
    prescribe(r, v, -5, ["olanzapin", "litium", "zopiklon"])
    extra = r.order(v, at(-6, "17:50"), "oxazepam", inpatient=True)
    for day, clock in ((-5, "15:20"), (-4, "11:10"), (-4, "22:40"), (-2, "16:05"), (-1, "21:30")):
        r.administer(v, at(day, clock), "oxazepam", extra)
    r.panel(v, at(-5, "07:30"), "Litiumkontroll", {"P-Litium": 0.41, "P-Kreatinin": 96, "P-TSH": 3.9})
    answer = r.panel(v, at(0, "07:15"), "Litiumkontroll", {"P-Litium": 0.94, "P-Kreatinin": 99})
    r.task(v, at(0, "07:40"), "Litium 0,94 att vidimera", answer)
    for day in range(-5, 1):
        r.note(
            v,
            at(day, "14:40"),
            "Omvårdnadsanteckning",
            {
                "Psykosocialt": random.choice(
                    ("Rör sig oroligt i korridoren.", "Deltar i morgonmöte.", "Sovit fyra timmar.")
                ),
                "Aktivitet": "Promenad med personal.",
            },
            profession=NURSE,
        )
        observe(r, v, at(day, "08:30"), Signs(pulse=84))
    r.note(
        v,
        at(-1, "11:00"),
        "Daganteckning",
        {
            "Psykiskt": "Något lugnare. Sover sex timmar.",
            "Bedömning": "Förbättrad.",
            "Planering": "Fortsatt LPT, omprövning i morgon.",
        },
        signed=False,
        hidden_online=True,
    )
    return r


def dialysis(random: Random) -> Record:
    """Haemodialysis three times a week for three years: the longest record."""
    r = Record("dialys", False, date(1959, 4, 3), "Hassan", "Farah", random, primary="vc-lonngarden")
    r.patient(kin="Dotter")
    v = r.encounter(
        "njurmott", "AMB", at(-1200, "09:00"), at(-1200, "10:00"), ("N18.5", "Kronisk njursjukdom, stadium 5"), turn=0
    )
    r.condition(v, on(-1200), "N18.5", "Kronisk njursjukdom, stadium 5", snomed="46177005")
    r.condition(v, on(-3000), "I10.9", "Essentiell hypertoni", snomed="59621000")
    r.no_known_allergies(v, on(-1200))
    r.flag(v, on(-1180), "safety", "AV-fistel vänster arm: ingen provtagning eller blodtryck")
    r.flag(v, on(-1180), "admin", "Behov av tolk: somaliska")
    epoetin = r.order(v, at(-1190, "10:00"), "epoetin")
    for drug in ("amlodipin", "furosemid", "kalciumd", "folsyra"):
        r.order(v, at(-1190, "10:00"), drug)
    session = 0
    for day in range(-1176, 0):
        if day % 7 not in (0, 2, 4):
            continue
        session += 1
        c = r.encounter(
            "njurmott", "AMB", at(day, "07:30"), at(day, "12:00"), ("Z49.1", "Extrakorporeal dialys"), turn=session % 2
        )
        before = 78.5 + random.uniform(-0.6, 1.6)
        r.vital(c, at(day, "07:35"), "Vikt", before)
        r.pressure(c, at(day, "07:40"), random.randrange(138, 172), random.randrange(74, 96))
        r.vital(c, at(day, "11:50"), "Vikt", before - random.uniform(1.4, 3.0))
        r.pressure(c, at(day, "11:52"), random.randrange(112, 146), random.randrange(62, 84))
        if session % 3 == 0:
            r.administer(c, at(day, "11:40"), "epoetin", epoetin)
        if session % 12 == 0:
            r.panel(
                c,
                at(day, "07:45"),
                "Dialysprover",
                {
                    "B-Hemoglobin(Hb)": random.gauss(112, 7),
                    "P-Kreatinin": random.gauss(720, 60),
                    "P-Urea": random.gauss(21, 3),
                    "P-Kalium": random.gauss(5.1, 0.4),
                    "P-Kalcium": random.gauss(2.3, 0.08),
                    "P-Fosfat": random.gauss(1.7, 0.2),
                    "P-Albumin": random.gauss(37, 2),
                    "P-Ferritin": random.gauss(420, 80),
                },
            )
            r.note(
                c,
                at(day, "11:30"),
                "Mottagningsbesök",
                {
                    "Kontaktorsak": "Dialysrond",
                    "Aktuellt": random.choice(
                        ("Inga kramper. God fistelfunktion.", "Klåda.", "Svårt att hålla vätskerestriktionen.")
                    ),
                    "Bedömning": "Se prover.",
                    "Planering": random.choice(
                        ("Oförändrad torrvikt.", "Torrvikt sänks 0,5 kg.", "Fosfatbindare ökas.")
                    ),
                },
            )
        elif session % 4 == 0:
            r.note(
                c,
                at(day, "12:00"),
                "Omvårdnadsanteckning",
                {"Behandling": "HD 4 timmar, blodflöde 300.", "Access": "Fistel stucken utan problem."},
                profession=NURSE,
            )
    for day in (1, 3, 5):
        r.appointment("njurmott", day, "07:30", 270, "Hemodialys", profession=NURSE)
    n = r.encounter("njurmott", "AMB", ago(130), None, ("Z49.1", "Extrakorporeal dialys"), turn=0)
    r.vital(n, ago(125), "Vikt", 79.4)
    r.pressure(n, ago(120), 158, 86)
    r.note(
        n,
        ago(110),
        "Fysioterapianteckning",
        {"Åtgärd": "Cykling under dialys 20 minuter.", "Bedömning": "Tolererar väl."},
        profession=PHYSIO,
    )
    return r
