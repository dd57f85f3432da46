"""Told people with years of follow-up: COPD, diabetes, anticoagulation, cancer under protected identity."""

from __future__ import annotations

from datetime import date
from random import Random

from region_places import NURSE
from region_record import Record, ago, at, on
from region_ward import Signs, arrival, course, daily_notes, observe, prescribe


def diabetes(random: Random) -> Record:
    """Type 2 diabetes in primary care: eight years of HbA1c, a visit today, an answer to acknowledge."""
    r = Record("diabetes", True, date(1967, 5, 9), "Leila", "Demir", random, primary="vc-lonngarden")
    r.patient(kin="Syster")
    hba1c = 71.0
    v = r.encounter(
        r.primary, "AMB", at(-2990, "08:30"), at(-2990, "09:10"), ("E11.9", "Diabetes mellitus typ 2"), turn=0
    )
    r.condition(v, on(-2990), "E11.9", "Diabetes mellitus typ 2 utan (uppgift om) komplikationer", snomed="44054006")
    r.condition(v, on(-2500), "I10.9", "Essentiell hypertoni", snomed="59621000")
    r.condition(v, on(-800), "E11.3", "Diabetes mellitus typ 2 med ögonkomplikationer")
    r.allergy(v, on(-2990), "735029006", "Skaldjur", "food", reaction=("247472004", "Nässelutslag"))
    for number in range(32):
        day = -2990 + number * 93
        v = r.encounter(
            r.primary, "AMB", at(day, "09:20"), at(day, "09:50"), ("E11.9", "Diabetes mellitus typ 2"), turn=0
        )
        hba1c += random.uniform(-4.5, 2.5) + (7 if number in (11, 12, 23) else 0)
        r.vital(v, at(day, "09:25"), "Vikt", 93.5 - number * 0.3 + random.uniform(-1, 1))
        r.pressure(v, at(day, "09:27"), random.randrange(124, 150), random.randrange(72, 90))
        r.panel(
            v,
            at(day - 4, "07:30"),
            "Diabetesprover",
            {
                "B-HbA1c": max(44, hba1c),
                "P-Glukos": 7 + random.uniform(0, 4),
                "P-Kreatinin": 62 + number * 0.5,
                "P-Kalium": 4.1,
                "P-LDL-kolesterol": 3.4 - number * 0.04,
                "P-HDL-kolesterol": 1.2,
                "P-Triglycerider": 2.1,
                "U-Albumin/Kreatinin": 1.2 + number * 0.12,
            },
        )
        profession = NURSE if number % 2 else "Läkare"
        r.note(
            v,
            at(day, "09:50"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": "Diabeteskontroll",
                "Aktuellt": random.choice(
                    (
                        "Promenerar dagligen.",
                        "Svårt med kosten under ramadan, planerat doser.",
                        "Har börjat simma.",
                        "Mindre sug efter sött.",
                    )
                ),
                "Status": "Fötter: puls och känsel ua.",
                "Bedömning": "Se prover.",
                "Planering": random.choice(
                    ("Oförändrad behandling.", "Ökar Metformin.", "Ögonbottenfoto beställs.", "Dietist.")
                ),
            },
            profession=profession,
        )
        if number in (0, 6, 12, 19, 26):
            r.order(
                v,
                at(day, "09:45"),
                ("metformin", "enalapril", "atorvastatin", "empagliflozin", "semaglutid")[
                    (0, 6, 12, 19, 26).index(number)
                ],
            )
    v = r.encounter(r.primary, "AMB", at(-5, "07:30"), at(-5, "07:40"), "Provtagning inför besök", turn=0)
    answer = r.panel(
        v,
        at(-4, "11:10"),
        "Diabetesprover",
        {
            "B-HbA1c": 63,
            "P-Glukos": 9.8,
            "P-Kreatinin": 79,
            "P-Kalium": 4.9,
            "P-LDL-kolesterol": 2.0,
            "U-Albumin/Kreatinin": 5.6,
        },
    )
    r.task(v, at(-4, "11:11"), "Diabetesprover att vidimera (HbA1c 63, albuminuri)", answer)
    r.referral(v, at(-30, "10:00"), "Ögonbottenfotografering", "ogonmott", "Diabetes, simplexretinopati")
    r.appointment(r.primary, 0, "10:20", 30, "Diabeteskontroll", profession=NURSE)
    r.appointment("ogonmott", 5, "13:00", 20, "Ögonbottenfotografering")
    return r


def warfarin(random: Random) -> Record:
    """A mechanical valve and five years of INR; the last one is 4.6 and not acknowledged."""
    r = Record("waran", False, date(1944, 9, 30), "Sven", "Abrahamsson", random, primary="vc-bjorkbacken")
    r.patient(kin="Maka")
    v = r.encounter(
        "hjartmott", "AMB", at(-1900, "10:00"), at(-1900, "10:30"), ("Z95.2", "Förekomst av hjärtklaffprotes"), turn=0
    )
    r.condition(v, on(-4100), "Z95.2", "Förekomst av hjärtklaffprotes, mekanisk aortaklaff")
    r.condition(v, on(-3000), "I48.9", "Förmaksflimmer och förmaksfladder, ospecificerat", snomed="49436004")
    r.no_known_allergies(v, on(-1900))
    r.flag(v, on(-4100), "clinical", "Läkemedel: Waran, mekanisk klaff, mål-INR 2,0–3,0")
    order = r.order(v, at(-1900, "10:20"), "warfarin")
    for drug in ("metoprolol", "atorvastatin", "furosemid"):
        r.order(v, at(-1900, "10:20"), drug)
    day, tablets = -1850, 14
    while day < -20:
        c = r.encounter(
            "akmott",
            "AMB",
            at(day, "08:10"),
            at(day, "08:20"),
            ("Z92.1", "Långtidsbehandling med antikoagulantia"),
            turn=0,
        )
        value = random.gauss(2.5, 0.35)
        r.lab(c, at(day, "08:12"), "P-PK(INR)", value)
        tablets += -1 if value > 3 else 1 if value < 2 else 0
        r.note(
            c,
            at(day, "14:20"),
            "Telefonkontakt",
            {
                "Åtgärd": f"INR {value:.1f}".replace(".", ","),
                "Ordination": f"Waran {tablets} tabletter per vecka.",
                "Planering": f"Nytt prov om {2 if not 2 <= value <= 3 else 4} veckor.",
            },
            profession=NURSE,
        )
        day += 14 if not 2 <= value <= 3 else 28
    c = r.encounter(
        "akmott", "AMB", at(-1, "08:05"), at(-1, "08:15"), ("Z92.1", "Långtidsbehandling med antikoagulantia"), turn=0
    )
    r.lab(c, at(-1, "08:06"), "P-PK(INR)", 4.6)
    answer = r.report(
        c,
        at(-1, "11:40"),
        "PK(INR)",
        [r.lab(c, at(-1, "08:06"), "B-Hemoglobin(Hb)", 131)],
        conclusion="PK(INR) 4,6. Svar utanför åtgärdsgräns, ringt till mottagningen.",
    )
    r.task(c, at(-1, "11:41"), "INR 4,6 att vidimera", answer, profession=NURSE)
    r.task(c, at(-1, "11:42"), "Ny ordination av Waran", order, profession=NURSE, code="Ta ställning")
    r.appointment("akmott", 0, "09:00", 15, "INR och ny ordination", profession=NURSE)
    r.appointment("hjartmott", 3, "11:20", 30, "Årskontroll klaff")
    return r


def oncology(random: Random) -> Record:
    """Breast cancer, protected identity, fever with low white cells on the oncology ward."""
    r = Record("onkologi", True, date(1984, 2, 17), "Josefin", "Ekman", random, primary="vc-kajen", protected=True)
    r.patient()
    v = r.encounter(
        "kirmott",
        "AMB",
        at(-190, "13:00"),
        at(-190, "13:40"),
        ("C50.9", "Malign tumör i bröstkörtel, ospecificerad"),
        turn=0,
    )
    r.condition(v, on(-190), "C50.9", "Malign tumör i bröstkörtel, ospecificerad", snomed="254837009")
    r.no_known_allergies(v, on(-190))
    r.flag(v, on(-900), "admin", "Skyddade personuppgifter: lämna inte uppgift om vistelse eller kontakt")
    s = r.encounter(
        "kir41",
        "IMP",
        at(-160, "07:00"),
        at(-158, "12:00"),
        ("C50.9", "Malign tumör i bröstkörtel, ospecificerad"),
        turn=0,
    )
    r.procedure(s, at(-160, "09:30"), "Bröstbevarande kirurgi vänster", kva="HAB40")
    r.report(
        s,
        at(-146, "10:00"),
        "Patologi",
        [],
        category="LAB",
        conclusion="Duktal cancer 22 mm, NHG 3, ER 0 %, HER2 negativ, Ki-67 55 %. 1 av 2 sentinel node positiv.",
        performer="kemlab",
    )
    r.note(
        s,
        at(-158, "11:30"),
        "Epikris",
        {
            "Diagnos": "C50.9 Bröstcancer vänster",
            "Vårdförlopp": "Bröstbevarande operation och sentinel node utan komplikation.",
            "Planering": "MDK. Adjuvant cytostatika.",
        },
    )
    for cycle in range(5):
        day = -105 + cycle * 21
        c = r.encounter(
            "onkmott", "AMB", at(day, "09:00"), at(day, "13:30"), ("Z51.1", "Kemoterapiserie för tumör"), turn=0
        )
        r.panel(
            c,
            at(day - 1, "08:10"),
            "Prover inför kur",
            {
                "B-Hemoglobin(Hb)": 128 - cycle * 5,
                "B-Leukocyter": 6.8 - cycle * 0.9,
                "B-Trombocyter": 260 - cycle * 22,
                "P-ALAT": 0.5 + cycle * 0.1,
                "P-Kreatinin": 58,
                "P-CEA": 1.8,
            },
        )
        for drug in ("ondansetron", "betametason", "epirubicin" if cycle < 3 else "paklitaxel"):
            r.administer(
                c, at(day, "10:05"), drug, r.order(c, at(day, "09:20"), drug, status="completed", inpatient=True)
            )
        r.vital(c, at(day, "09:10"), "Vikt", 66 - cycle * 0.8)
        r.note(
            c,
            at(day, "13:20"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": f"Kur {cycle + 1}",
                "Aktuellt": random.choice(
                    ("Trött två dagar efter förra kuren.", "Illamående trots profylax.", "Domningar i fingertoppar.")
                ),
                "Bedömning": "ECOG 1. Kan få kur enligt plan.",
                "Planering": "Ring vid feber över 38.",
            },
            profession=NURSE if cycle % 2 else "Läkare",
        )
    v = r.encounter(
        "onk61", "IMP", at(-2, "21:10"), None, ("D70.9", "Agranulocytos"), bed=10, turn=0, planned_discharge="Hemmet"
    )
    r.condition(v, on(-2), "D70.9", "Neutropen feber efter cytostatika", problem=False)
    r.flag(v, on(-2), "clinical", "Skyddsisolering: neutropeni")
    for day, white, crp in ((-2, 0.6, 148), (-1, 0.7, 171), (0, 1.1, 120)):
        r.panel(
            v,
            at(day, "21:30" if day == -2 else "06:00"),
            "Prover",
            {"B-Leukocyter": white, "P-CRP": crp, "B-Hemoglobin(Hb)": 98, "B-Trombocyter": 104, "P-Kreatinin": 61},
        )
    r.note(
        v,
        at(-2, "22:20"),
        "Inskrivning",
        {
            "Inskrivningsorsak": "Feber 39,1 dag 9 efter kur",
            "Status": "Opåverkad. Inget fokus. PICC-line utan rodnad.",
            "Ordination": "Odlingar, piperacillin/tazobaktam. Skyddsisolering.",
            "Planering": "Daglig differentialräkning.",
        },
    )
    prescribe(r, v, -1, ["piptazo", "paracetamol", "dalteparin"])
    course(r, v, -1, Signs(108, 62, 110, 20, 96, 38.9), Signs(116, 68, 88, 16, 97, 37.6))
    daily_notes(r, v, -2, "C50", unsigned=0)
    r.referral(
        v,
        at(-2, "21:40"),
        "Blododling",
        "mikrolab",
        "Neutropen feber",
        category="Mikrobiologi",
        urgent=True,
        loinc="600-7",
    )
    r.appointment("onkmott", 4, "09:00", 60, "Ställningstagande kur 6")
    return r


def copd(random: Random) -> Record:
    """COPD in the emergency department since an hour and a half; five exacerbations before."""
    r = Record("kol", False, date(1951, 11, 20), "Bengt", "Holmberg", random)
    r.patient(kin="Sambo")
    v = r.encounter(
        r.primary,
        "AMB",
        at(-2900, "09:00"),
        at(-2900, "09:40"),
        ("J44.9", "Kroniskt obstruktiv lungsjukdom, ospecificerad"),
        turn=0,
    )
    r.condition(v, on(-2900), "J44.9", "Kroniskt obstruktiv lungsjukdom, ospecificerad", snomed="13645005")
    r.condition(v, on(-2000), "I25.9", "Kronisk ischemisk hjärtsjukdom, ospecificerad", snomed="414545008")
    r.no_known_allergies(v, on(-2900))
    r.flag(v, on(-700), "safety", "Syrgas: målsaturation 88–92 % (koldioxidretinerare)")
    for drug in ("tiotropium", "budesonidformo", "salbutamolinh", "asa", "atorvastatin"):
        r.order(v, at(-700, "10:00"), drug)
    for number, back in enumerate((2100, 1580, 1010, 640, 210)):
        s = r.encounter(
            "lung32", "IMP", at(-back, "20:10"), at(-back + 5, "13:00"), ("J44.1", "KOL med akut exacerbation"), turn=0
        )
        r.panel(
            s,
            at(-back, "20:40"),
            "Blodgas, arteriell",
            {"aB-pH": 7.33 - number * 0.01, "aB-pCO2": 6.9 + number * 0.3, "aB-pO2": 7.4, "aB-Bikarbonat": 28 + number},
        )
        r.panel(
            s,
            at(-back + 1, "06:10"),
            "Morgonprover",
            {"P-CRP": 60 + number * 12, "B-Leukocyter": 12.1, "B-Hemoglobin(Hb)": 158},
        )
        observe(r, s, at(-back, "20:15"), Signs(148, 84, 108, 28, 86, 37.9, "A", 2))
        observe(r, s, at(-back + 5, "08:00"), Signs(134, 78, 84, 18, 91, 36.8))
        r.note(
            s,
            at(-back + 5, "12:00"),
            "Epikris",
            {
                "Diagnos": "J44.1 KOL med akut exacerbation",
                "Vårdförlopp": f"Exacerbation nummer {number + 1}. Kortison, antibiotika. NIV {number * 6} timmar.",
                "Planering": "Återbesök KOL-sköterska. Rökslut.",
            },
        )
        c = r.encounter(
            "lungmott",
            "AMB",
            at(-back + 60, "10:00"),
            at(-back + 60, "10:40"),
            ("J44.9", "Kroniskt obstruktiv lungsjukdom, ospecificerad"),
            turn=0,
        )
        r.procedure(c, at(-back + 60, "10:05"), "Dynamisk spirometri", snomed="23426006")
        r.note(
            c,
            at(-back + 60, "10:35"),
            "Mottagningsbesök",
            {
                "Kontaktorsak": "Uppföljning efter exacerbation",
                "Status": f"FEV1 {46 - number * 3} % av förväntat. CAT {19 + number}.",
                "Bedömning": "KOL stadium 3–4.",
                "Planering": "Inhalationsteknik, vaccination.",
            },
        )
    r.vaccination(c, at(-150, "10:30"), "J07BB02", "Vaccin mot influensa, renat antigen")
    v = arrival(r, 95, ("J44.1", "KOL med akut exacerbation"), "Röd", 24, Signs(152, 86, 118, 30, 84, 38.2, "A", 0))
    r.panel(
        v,
        ago(82),
        "Blodgas, arteriell",
        {"aB-pH": 7.27, "aB-pCO2": 9.1, "aB-pO2": 6.6, "aB-Bikarbonat": 32, "P-Laktat": 1.9},
    )
    r.panel(
        v,
        ago(70),
        "Akutprover",
        {
            "P-CRP": 96,
            "B-Leukocyter": 14.8,
            "B-Hemoglobin(Hb)": 161,
            "P-Kreatinin": 88,
            "P-Kalium": 4.0,
            "P-Troponin T": 22,
            "P-NT-proBNP": 410,
        },
    )
    for minutes, drug in ((86, "salbutamol"), (86, "ipratropium"), (60, "betametason"), (40, "salbutamol")):
        r.administer(v, ago(minutes), drug, r.order(v, ago(minutes + 3), drug, inpatient=True))
    for minutes, signs in (
        (65, Signs(146, 82, 114, 28, 88, 38.1, "A", 1)),
        (35, Signs(140, 80, 108, 26, 89, 38.0, "A", 1)),
        (12, Signs(138, 80, 104, 25, 90, 37.9, "A", 1)),
    ):
        observe(r, v, ago(minutes), signs)
    r.referral(
        v,
        ago(75),
        "Lungröntgen",
        "rontgen",
        "KOL-exacerbation, infiltrat?",
        category="Bilddiagnostik",
        urgent=True,
        loinc="36572-6",
    )
    r.referral(v, ago(30), "Inläggning lungavdelning, NIV", "lung32", "Respiratorisk acidos, pH 7,27", urgent=True)
    r.note(
        v,
        ago(45),
        "Akutanteckning",
        {
            "Kontaktorsak": "Andnöd",
            "Anamnes": "Tre dygns försämring, missfärgade upphostningar. Inskriven senast för sju månader sedan.",
            "Status": "Talar i enstaka ord. Förlängt exspirium, ronki.",
            "Bedömning": "KOL-exacerbation med respiratorisk acidos.",
            "Åtgärd": "Syrgas mot 88–92 %, inhalationer, Betapred, NIV påbörjas.",
            "Planering": "Avd 32.",
        },
        signed=False,
    )
    return r
