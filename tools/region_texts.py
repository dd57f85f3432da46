"""Swedish notes with keywords, put together from phrases by what the visit is about."""

# ruff: noqa: E501 (notes are one line each)

from __future__ import annotations

from random import Random
from typing import Final

# theme: ICD-10 beginnings
_THEMES: Final = (
    ("lung", ("J44", "J45", "J43", "R06", "G47")),
    ("infektion", ("J", "A", "B", "N39", "N10", "N30", "H66", "L03", "R50", "U07", "K04")),
    ("hjärta", ("I", "R07", "R55", "Z95")),
    ("diabetes", ("E10", "E11", "R73")),
    ("smärta", ("M", "R52", "G43", "R51", "S13", "S19", "N23", "N20")),
    ("skada", ("S", "T", "W", "V")),
    ("psyk", ("F", "R45", "X")),
    ("graviditet", ("O", "Z34", "Z37", "Z39")),
    ("buk", ("K", "R10", "Z90")),
    ("njure", ("N",)),
    ("tumör", ("C", "D", "Z03")),
)

_ANAMNES: Final = {
    "lung": (
        "Sedan flera dagar tilltagande andnöd och hosta med missfärgat slem. Röker inte längre, cirka 35 paketår.",
        "Känd lungsjukdom. Har använt Ventoline oftare än vanligt senaste veckan, vaknar av andnöd på natten.",
        "Försämrad efter förkylning. Tar sina inhalationer regelbundet, tekniken kontrollerad.",
    ),
    "infektion": (
        "Insjuknade för tre dagar sedan med feber, frossa och nedsatt allmäntillstånd.",
        "Hosta och feber upp till 39 grader sedan två dygn. Äter dåligt men dricker.",
        "Sedan gårdagen sveda vid miktion och täta trängningar, inga flanksmärtor.",
        "Halsont och snuva sedan knappt en vecka, nu på bättringsvägen.",
    ),
    "hjärta": (
        "Tilltagande andfåddhet vid ansträngning och bensvullnad sedan två veckor. Sover med höjd huvudända.",
        "Tryckande obehag i bröstet vid ansträngning, släpper i vila. Ingen strålning ut i arm eller käke.",
        "Kontroll av blodtryck. Mår bra, mäter själv hemma med värden kring 135/80.",
        "Oregelbunden hjärtklappning i episoder, ingen yrsel, ingen svimning.",
    ),
    "diabetes": (
        "Årskontroll. Mäter plasmaglukos några gånger i veckan, oftast mellan 6 och 9. Inga känningar.",
        "Har haft svårt med kosten under hösten men promenerar dagligen. Fotstatus utan sår.",
    ),
    "smärta": (
        "Smärtan har funnits i flera månader, värst på morgonen, utan domningar eller kraftnedsättning.",
        "Pulserande huvudvärk med illamående och ljuskänslighet, två till tre anfall i månaden.",
        "Ont i ländryggen efter lyft. Ingen utstrålning, inga blåsbesvär.",
    ),
    "skada": (
        "Snubblade på plan mark och tog emot sig. Minns förloppet, ingen medvetslöshet.",
        "Skadade sig i hemmet tidigare i dag. Stelkrampsskydd aktuellt.",
        "Föll på isig trottoar. Kan belasta med viss smärta.",
    ),
    "psyk": (
        "Nedstämdhet och sömnsvårigheter sedan några månader, minskad lust. Inga suicidtankar.",
        "Återkommande oro med hjärtklappning. Arbetar heltid, god hjälp av familjen.",
        "Följs med samtal. Upplever viss förbättring sedan förra besöket.",
    ),
    "graviditet": (
        "Okomplicerad graviditet hittills. Känner fosterrörelser dagligen.",
        "Mår väl, lätt illamående i början som nu gått över.",
    ),
    "buk": (
        "Buksmärtor som kommer i intervaller, illamående men inga kräkningar. Avföring ua.",
        "Sura uppstötningar och halsbränna, värst nattetid.",
    ),
    "njure": ("Följs för nedsatt njurfunktion. Inga urinvägsbesvär, inga svullnader.",),
    "tumör": (
        "Kommer inför planerad behandling. Trötthet men äter och är uppe hela dagen.",
        "Återbesök efter behandling, inga nya symtom.",
    ),
    "allmän": (
        "Kommer för planerad kontroll. Mår väl, inga nya besvär.",
        "Hälsosamtal. Rör sig regelbundet, sover bra, ingen tobak.",
        "Önskar genomgång av mediciner och förnyade recept.",
    ),
}

_STATUS: Final = {
    "lung": "AT: Lätt påverkad, talar i hela meningar.\nPulm: Förlängt exspirium, spridda ronki bilateralt.\nCor: RR, inga blåsljud.",
    "infektion": "AT: Trött men redig, ingen nackstelhet.\nPulm: Vesikulära andningsljud, enstaka rassel basalt.\nMoS: Lätt rodnad i svalget.",
    "hjärta": "AT: Opåverkad i vila.\nCor: Rytm enligt EKG, inga blåsljud.\nPulm: Lätta basala krepitationer.\nLokalt: Lätta pittingödem kring fotlederna.",
    "diabetes": "AT: Gott.\nFötter: Perifera pulsar palperas, monofilament ua, inga sår.\nBT taget liggande efter fem minuters vila.",
    "smärta": "Lokalt: Palpationsömhet paravertebralt, fri rörlighet. Lasègue negativ.\nNeuro: Kraft och sensibilitet ua.",
    "skada": "Lokalt: Svullnad och palpationsömhet, hudkostymen hel. Distalstatus ua.\nNeuro: Grovneurologi ua.",
    "psyk": "Psykiskt: God formell och emotionell kontakt. Stämningsläge lätt sänkt. Inga psykotiska symtom. Suicidrisk bedöms låg.",
    "graviditet": "SF-mått enligt kurva. Fosterljud hörs. BT normalt.",
    "buk": "Buk: Mjuk, lätt öm i epigastriet, inget release eller défense. Tarmljud finns.",
    "njure": "AT: Gott. Inga ödem. BT kontrollerat.",
    "tumör": "AT: Gott, ECOG 1.\nCor/pulm: ua.\nLgl: Inga palpabla förstorade körtlar.",
    "allmän": "AT: Gott och opåverkat.\nCor: RR, inga blåsljud.\nPulm: Vesikulära andningsljud bilateralt.\nBuk: Mjuk och oöm.",
}

_PLAN: Final = {
    "lung": ("Fortsatta inhalationer, rökfrihet stöds.", "Spirometri om tre månader. Ventoline vid behov."),
    "infektion": (
        "Råd om vätska och vila. Åter vid försämring.",
        "Antibiotika enligt ordination, åter vid utebliven effekt.",
    ),
    "hjärta": (
        "Fortsatt samma behandling. Ny kontroll av elektrolyter om en månad.",
        "EKG och provtagning, svar per brev.",
    ),
    "diabetes": ("Oförändrad behandling. Ögonbottenfotografering enligt intervall.", "HbA1c om tre månader, fotvård."),
    "smärta": ("Egenvård och rörelse, paracetamol vid behov.", "Remiss till fysioterapeut."),
    "skada": (
        "Avlastning, högläge och kyla. Åter vid tilltagande besvär.",
        "Röntgen beställd. Omläggning på vårdcentral.",
    ),
    "psyk": (
        "Nytt samtal om två veckor. Vet var hjälp finns vid försämring.",
        "Oförändrad medicinering, uppföljning per telefon.",
    ),
    "graviditet": ("Fortsatt kontroll enligt basprogram.", "Nytt besök hos barnmorska om fyra veckor."),
    "buk": ("Kostråd. Åter om besvären tilltar.", "Prover tagna, svar följs upp."),
    "njure": ("Ny kontroll av kreatinin om tre månader. Undvik NSAID.",),
    "tumör": ("Behandlingen fortsätter enligt plan. Kontaktsjuksköterska informerad.",),
    "allmän": ("Ingen åtgärd i dag. Åter vid behov.", "Recept förnyade. Årskontroll bokas."),
}


def theme(code: str) -> str:
    """What an ICD-10 code is about."""
    for name, starts in _THEMES:
        if code.startswith(starts):
            return name
    return "allmän"


def visit(random: Random, code: str, reason: str) -> dict[str, str]:
    """A doctor's note of a visit."""
    about = theme(code)
    return {
        "Kontaktorsak": reason,
        "Anamnes": random.choice(_ANAMNES[about]),
        "Status": _STATUS[about],
        "Bedömning": f"{reason}. {random.choice(('Stabilt läge.', 'Förväntat förlopp.', 'Inget alarmerande.', 'Diskuterat med patienten.'))}",
        "Planering": random.choice(_PLAN[about]),
    }


def admission(random: Random, code: str, reason: str) -> dict[str, str]:
    """A doctor's note at admission."""
    about = theme(code)
    return {
        "Inskrivningsorsak": reason,
        "Socialt": random.choice(
            (
                "Bor i eget hus med maka/make.",
                "Ensamboende i lägenhet med hiss.",
                "Bor ensam, hemtjänst två gånger dagligen.",
                "Bor på särskilt boende.",
            )
        ),
        "Aktuellt": random.choice(_ANAMNES[about]),
        "Status": _STATUS[about],
        "Bedömning": f"Läggs in för {reason[0].lower()}{reason[1:]}. {random.choice(('Ingen misstanke om organsvikt.', 'Behandling startad på akuten.', 'Följs med täta kontroller.'))}",
        "Ordination": random.choice(
            (
                "Kontroller enligt NEWS2 var fjärde timme.",
                "NEWS2 var sjätte timme, vätskelista.",
                "Telemetri första dygnet.",
            )
        ),
        "Planering": random.choice(_PLAN[about]),
    }


def day(random: Random, code: str, number: int) -> dict[str, str]:
    """A doctor's note of a day on the ward."""
    return {
        "Aktuellt": random.choice(
            (
                f"Vårddygn {number}. Mår bättre, har ätit frukost.",
                f"Vårddygn {number}. Sovit dåligt men känner sig piggare.",
                f"Vårddygn {number}. Oförändrat allmäntillstånd.",
                f"Vårddygn {number}. Uppegående på avdelningen.",
            )
        ),
        "Status": random.choice(
            (_STATUS[theme(code)], "AT: Gott och opåverkat. Cor/pulm ua.", "Cirkulatoriskt stabil, afebril.")
        ),
        "Åtgärd": random.choice(
            (
                "Oförändrad behandling.",
                "Prover i morgon bitti.",
                "Övergår till peroral behandling.",
                "Fysioterapeut kopplas in.",
            )
        ),
        "Planering": random.choice(
            (
                "Hem om ett par dagar.",
                "Vårdplanering med kommunen.",
                "Fortsatt vård på avdelningen.",
                "Utskrivning i morgon om fortsatt förbättring.",
            )
        ),
    }


def nursing(random: Random) -> dict[str, str]:
    """A nurse's note."""
    return {
        "Kommunikation": random.choice(("Redig och orienterad.", "Hör dåligt, hörapparat finns.", "Periodvis glömsk.")),
        "Andning/cirkulation": random.choice(
            ("Obesvärad i vila, god saturation på luft.", "Syrgas på grimma, god effekt.", "Stabila kontroller.")
        ),
        "Nutrition": random.choice(
            ("Äter hela portioner.", "Äter halva portioner, erbjuds näringsdryck.", "Nedsatt aptit, dricker bra.")
        ),
        "Elimination": random.choice(("KAD, klar urin.", "Går till toaletten själv.", "Obstipation, fått Movicol.")),
        "Hud": random.choice(("Hel och torr.", "Rodnad över sacrum, avlastas.", "Infart ua.")),
        "Aktivitet": random.choice(("Uppe i stol till måltider.", "Går med rollator.", "Sängliggande, vändschema.")),
        "Smärta": random.choice(("VAS 2.", "VAS 4, fått Alvedon med god effekt.", "Smärtfri.")),
    }


def physio(random: Random) -> dict[str, str]:
    """A physiotherapist's note."""
    return {
        "Bedömning": random.choice(
            ("Reser sig med lätt stöd.", "Behöver hjälp av en person vid förflyttning.", "Självständig inomhus.")
        ),
        "Åtgärd": random.choice(
            (
                "Gångträning 30 m med rollator.",
                "Andningsträning med PEP.",
                "Styrke- och balansträning.",
                "Trappträning.",
            )
        ),
        "Planering": random.choice(
            ("Fortsatt träning dagligen.", "Hemträningsprogram ges före utskrivning.", "Hjälpmedel beställs.")
        ),
    }


def discharge(random: Random, code: str, reason: str, days: int) -> dict[str, str]:
    """A discharge summary."""
    return {
        "Diagnos": f"{code} {reason}",
        "Vårdförlopp": f"{random.choice(_ANAMNES[theme(code)])} Vårdades i {days} dygn. {random.choice(('Svarade väl på given behandling.', 'Förloppet okomplicerat.', 'Långsam men stadig förbättring.'))}",
        "Läkemedel": "Se läkemedelslistan. Ändringar har gåtts igenom med patienten.",
        "Information": "Utskrivningssamtal har hållits, skriftlig information lämnad.",
        "Planering": random.choice(_PLAN[theme(code)]),
    }


def emergency(random: Random, code: str, reason: str) -> dict[str, str]:
    """A doctor's note in the emergency department."""
    about = theme(code)
    return {
        "Kontaktorsak": reason,
        "Anamnes": random.choice(_ANAMNES[about]),
        "Status": _STATUS[about],
        "Bedömning": f"{reason}. {random.choice(('Bedöms kunna gå hem.', 'Ingen hållpunkt för allvarlig sjukdom.', 'Diskuterat med bakjour.'))}",
        "Åtgärd": random.choice(_PLAN[about]),
    }


def triage(random: Random, reason: str, level: str) -> dict[str, str]:
    """A triage note after RETTS-like levels: röd, orange, gul, grön."""
    return {
        "Kontaktorsak": reason,
        "Prioritet": level,
        "Omvårdnadsåtgärd": random.choice(
            (
                "Kontroller och prover tagna.",
                "EKG taget, visat för läkare.",
                "PVK satt, prover skickade.",
                "Smärtlindrad.",
            )
        ),
    }


IMAGING: Final = {
    "lungröntgen": (
        "Lungröntgen",
        "36572-6",
        (
            "Normalstor hjärtskugga. Inga infiltrat, ingen pleuravätska.",
            "Infiltrat basalt höger förenligt med pneumoni. Ingen pleuravätska.",
            "Förstorad hjärtskugga med tecken till stas och mindre pleuravätska bilateralt.",
            "Hyperinflaterade lungor som vid KOL. Inga färska infiltrat.",
        ),
    ),
    "dtskalle": (
        "DT hjärna",
        "30799-1",
        (
            "Ingen blödning, ingen etablerad infarkt. Medellinjen ligger rakt.",
            "Lätta vitsubstansförändringar. Ingen akut patologi.",
            "Hypodens zon i vänster mediaterritorium förenlig med färsk infarkt.",
        ),
    ),
    "dtbuk": (
        "DT buk med kontrast",
        "41806-1",
        (
            "Ingen fri gas eller vätska. Gallstenar utan kolecystit.",
            "Stranding kring appendix som vid appendicit.",
            "Inga akuta förändringar i buken.",
        ),
    ),
    "dtthorax": (
        "DT thorax",
        "29252-4",
        (
            "Ingen lungembolism. Inga infiltrat.",
            "Perifera lungembolier bilateralt utan högerbelastning.",
            "Emfysem, inga suspekta förändringar.",
        ),
    ),
    "njurar": ("Ultraljud njurar", "38036-0", ("Normalstora njurar utan vidgning.", "Lätt vidgat njurbäcken höger.")),
    "handled": ("Röntgen handled", "24619-9", ("Ingen fraktur.", "Distal radiusfraktur med lätt dorsalbockning.")),
    "hand": ("Röntgen hand", "24722-1", ("Ingen skelettskada påvisas.", "Fraktur på metakarpale V utan felställning.")),
    "rygg": (
        "Röntgen ländrygg",
        "24968-0",
        ("Degenerativa förändringar, ingen kompression.", "Kompressionsfraktur L1, cirka 30 procent."),
    ),
    "höft": (
        "Röntgen höft",
        "36663-3",
        ("Cervikal kollumfraktur höger, dislocerad.", "Ingen fraktur, artros i höftleden."),
    ),
    "buköversikt": (
        "Buköversikt",
        "24799-9",
        ("Vidgade tunntarmar med nivåer som vid hinder.", "Normal gasfördelning."),
    ),
    "mrhjärna": (
        "MR hjärna",
        "30657-1",
        ("Inga diffusionsinskränkningar.", "Färsk infarkt i capsula interna vänster."),
    ),
    "ultraljudbuk": ("Ultraljud buk", "24558-9", ("Gallblåsa med stenar, väggen inte förtjockad.", "Normala fynd.")),
}
