"""The invented region: providers, hospitals, units, beds and staff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

HSA: Final = "urn:oid:1.2.752.129.2.1.4.1"
BLOCK: Final = "‹block›"
_TYPE: Final = "http://terminology.hl7.org/CodeSystem/organization-type"
_PHYSICAL: Final = "http://terminology.hl7.org/CodeSystem/location-physical-type"
# Licensed professions, code list of the National Board of Health and Welfare.
_LICENCE: Final = "urn:oid:1.2.752.116.3.1.3"

_ORGANISATION_NUMBER: Final = "urn:oid:2.5.4.97"
# Key, name, HSA-id, organisation number: 2 at its beginning is a public body, 5 a company. Their check digits are wrong, so
# that they are nobody's.
PROVIDERS: Final = (
    ("region-vikmark", "Region Vikmark", "TSTVAKA0001-1000", "232100-9901"),
    ("capella-vard", "Capella Vård AB", "TSTVAKA0002-1000", "559900-9900"),
    ("strandviks-kommun", "Strandviks kommun", "TSTVAKA0003-1000", "212000-9900"),
)
SITES: Final = (
    ("norrvalla-sjukhus", "Norrvalla sjukhus", "region-vikmark"),
    ("ekeberga-sjukhus", "Ekeberga sjukhus", "region-vikmark"),
    ("primarvarden-vikmark", "Primärvården Vikmark", "region-vikmark"),
    ("capella-norrvalla", "Capella Norrvalla", "capella-vard"),
    ("strandvik-halsa", "Strandviks kommunala hälso- och sjukvård", "strandviks-kommun"),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A care unit; ``beds`` 0: no beds; ``kind``: ward, clinic, emergency, primary, service or home."""

    key: str
    name: str
    site: str
    kind: str
    beds: int = 0

    @property
    def reference(self) -> str:
        return f"Organization/{self.key}{BLOCK}"


def _units() -> dict[str, Unit]:
    text = """
akuten|Akutmottagningen|norrvalla-sjukhus|emergency|24
iva|Intensivvårdsavdelningen|norrvalla-sjukhus|ward|8
ava31|Avdelning 31 Medicin|norrvalla-sjukhus|ward|16
lung32|Avdelning 32 Lungmedicin|norrvalla-sjukhus|ward|14
stroke33|Avdelning 33 Stroke|norrvalla-sjukhus|ward|12
hia34|Avdelning 34 Hjärtintensiv|norrvalla-sjukhus|ward|12
inf35|Avdelning 35 Infektion|norrvalla-sjukhus|ward|12
kir41|Avdelning 41 Kirurgi|norrvalla-sjukhus|ward|16
ort43|Avdelning 43 Ortopedi|norrvalla-sjukhus|ward|16
bb51|Avdelning 51 BB och förlossning|norrvalla-sjukhus|ward|12
barn53|Avdelning 53 Barn|norrvalla-sjukhus|ward|10
onk61|Avdelning 61 Onkologi|norrvalla-sjukhus|ward|10
psyk71|Avdelning 71 Psykiatri|norrvalla-sjukhus|ward|14
medmott|Medicinmottagningen|norrvalla-sjukhus|clinic|0
hjartmott|Hjärtmottagningen|norrvalla-sjukhus|clinic|0
lungmott|Lung- och allergimottagningen|norrvalla-sjukhus|clinic|0
kirmott|Kirurgmottagningen|norrvalla-sjukhus|clinic|0
ortmott|Ortopedmottagningen|norrvalla-sjukhus|clinic|0
onkmott|Onkologmottagningen|norrvalla-sjukhus|clinic|0
kvinnomott|Kvinnokliniken mottagning|norrvalla-sjukhus|clinic|0
barnmott|Barn- och ungdomsmottagningen|norrvalla-sjukhus|clinic|0
psykmott|Psykiatriska mottagningen|norrvalla-sjukhus|clinic|0
njurmott|Njurmottagningen och dialysen|norrvalla-sjukhus|clinic|0
ogonmott|Ögonmottagningen|norrvalla-sjukhus|clinic|0
akmott|Antikoagulationsmottagningen|norrvalla-sjukhus|clinic|0
rehab|Paramedicinska rehabenheten|norrvalla-sjukhus|clinic|0
kemlab|Klinisk kemi|norrvalla-sjukhus|service|0
mikrolab|Klinisk mikrobiologi|norrvalla-sjukhus|service|0
rontgen|Röntgenavdelningen|norrvalla-sjukhus|service|0
eke-akut|Akutmottagningen Ekeberga|ekeberga-sjukhus|emergency|10
eke-med|Avdelning 1 Medicin|ekeberga-sjukhus|ward|14
eke-mott|Medicinmottagningen Ekeberga|ekeberga-sjukhus|clinic|0
vc-lonngarden|Vårdcentralen Lönngården|primarvarden-vikmark|primary|0
vc-hamnen|Vårdcentralen Hamnen|primarvarden-vikmark|primary|0
vc-bjorkbacken|Vårdcentralen Björkbacken|primarvarden-vikmark|primary|0
vc-kajen|Capella Vårdcentral Kajen|capella-norrvalla|primary|0
solglantan|Solgläntans geriatriska avdelning|capella-norrvalla|ward|16
capella-spec|Capella Specialistmottagning|capella-norrvalla|clinic|0
hemsjukvard|Hemsjukvården Strandvik|strandvik-halsa|home|0
"""
    rows = (line.split("|") for line in text.strip().splitlines())
    return {key: Unit(key, name, site, kind, int(beds)) for key, name, site, kind, beds in rows}


UNITS: Final = _units()
PRIMARY: Final = ("vc-lonngarden", "vc-hamnen", "vc-bjorkbacken", "vc-kajen")

# profession: licence code, name of the code, who it is (given, family, woman), units
_STAFF_TEXT = """
LK|Läkare|Överläkare|Katarina|Hedlund|f|ava31 medmott
LK|Läkare|Överläkare|Johan|Ekström|m|lung32 lungmott
LK|Läkare|Överläkare|Birgitta|Ahlgren|f|stroke33 rehab
LK|Läkare|Överläkare|Samir|Haddad|m|hia34 hjartmott
LK|Läkare|Överläkare|Lars|Wikström|m|inf35 iva
LK|Läkare|Specialistläkare|Emma|Sandström|f|iva
LK|Läkare|Överläkare|Nenad|Petrović|m|kir41 kirmott
LK|Läkare|Överläkare|Anders|Moberg|m|ort43 ortmott
LK|Läkare|Överläkare|Åsa|Lundgren|f|bb51 kvinnomott
LK|Läkare|Överläkare|Fatima|Rashid|f|barn53 barnmott
LK|Läkare|Överläkare|Henrik|Sköld|m|onk61 onkmott
LK|Läkare|Överläkare|Margareta|Nyström|f|psyk71 psykmott
LK|Läkare|Specialistläkare|Reza|Hosseini|m|akuten
LK|Läkare|Specialistläkare|Linnéa|Falk|f|akuten ava31
LK|Läkare|ST-läkare|Viktor|Dahl|m|akuten ava31
LK|Läkare|ST-läkare|Ida|Stenberg|f|ort43 akuten
LK|Läkare|AT-läkare|Oscar|Näslund|m|kir41 akuten
LK|Läkare|Överläkare|Gunnar|Åberg|m|njurmott akmott
LK|Läkare|Specialistläkare|Malin|Berggren|f|ogonmott
LK|Läkare|Överläkare|Ulf|Holmgren|m|rontgen
LK|Läkare|Överläkare|Helena|Fransson|f|kemlab mikrolab
LK|Läkare|Överläkare|Rolf|Granqvist|m|eke-med eke-mott eke-akut
LK|Läkare|Distriktsläkare|Cecilia|Öberg|f|vc-lonngarden
LK|Läkare|Distriktsläkare|Ahmed|Farah|m|vc-hamnen
LK|Läkare|Distriktsläkare|Ingrid|Månsson|f|vc-bjorkbacken hemsjukvard
LK|Läkare|Distriktsläkare|Mats|Hellström|m|vc-kajen
LK|Läkare|Överläkare|Yvonne|Norberg|f|solglantan capella-spec
SJ|Sjuksköterska|Sjuksköterska|Sara|Lindqvist|f|ava31
SJ|Sjuksköterska|Sjuksköterska|Amir|Ali|m|ava31 lung32
SJ|Sjuksköterska|Sjuksköterska|Jenny|Björk|f|lung32 lungmott
SJ|Sjuksköterska|Sjuksköterska|Therese|Holm|f|stroke33
SJ|Sjuksköterska|Sjuksköterska|Mikael|Sjöberg|m|hia34 hjartmott
SJ|Sjuksköterska|Sjuksköterska|Camilla|Eklund|f|inf35
SJ|Sjuksköterska|Intensivvårdssjuksköterska|Pontus|Wallin|m|iva
SJ|Sjuksköterska|Sjuksköterska|Johanna|Bergqvist|f|kir41 kirmott
SJ|Sjuksköterska|Sjuksköterska|Merima|Kovačević|f|ort43 ortmott
SJ|Sjuksköterska|Sjuksköterska|Elin|Söderberg|f|akuten
SJ|Sjuksköterska|Sjuksköterska|Tommy|Nordin|m|akuten eke-akut
SJ|Sjuksköterska|Barnsjuksköterska|Hanna|Lind|f|barn53 barnmott
SJ|Sjuksköterska|Sjuksköterska|Kerstin|Isaksson|f|onk61 onkmott
SJ|Sjuksköterska|Sjuksköterska|Robin|Fors|m|psyk71 psykmott
SJ|Sjuksköterska|Sjuksköterska|Annika|Blomqvist|f|njurmott akmott medmott
SJ|Sjuksköterska|Sjuksköterska|Lena|Viklund|f|ogonmott kvinnomott
SJ|Sjuksköterska|Sjuksköterska|Stig|Hedman|m|eke-med eke-mott eke-akut
SJ|Sjuksköterska|Distriktssköterska|Monica|Strand|f|vc-lonngarden
SJ|Sjuksköterska|Distriktssköterska|Susanne|Löfgren|f|vc-hamnen
SJ|Sjuksköterska|Distriktssköterska|Carina|Wallgren|f|vc-bjorkbacken hemsjukvard
SJ|Sjuksköterska|Distriktssköterska|Zahra|Ahmed|f|vc-kajen
SJ|Sjuksköterska|Sjuksköterska|Pia|Nyberg|f|solglantan capella-spec
BM|Barnmorska|Barnmorska|Frida|Engström|f|bb51 kvinnomott
BM|Barnmorska|Barnmorska|Ulrika|Sundberg|f|bb51
|Undersköterska|Undersköterska|Nadia|Demir|f|ava31 lung32
|Undersköterska|Undersköterska|Kent|Olofsson|m|stroke33 ort43
|Undersköterska|Undersköterska|Jasmina|Jovanović|f|kir41 akuten
|Undersköterska|Undersköterska|Gunilla|Persson|f|solglantan hemsjukvard
|Skötare|Skötare|Christer|Pålsson|m|psyk71
SG|Fysioterapeut|Fysioterapeut|Madeleine|Åström|f|rehab ort43 stroke33 vc-lonngarden
SG|Fysioterapeut|Fysioterapeut|Daniel|Hermansson|m|rehab lung32 solglantan vc-kajen
AT|Arbetsterapeut|Arbetsterapeut|Rebecka|Lundin|f|rehab stroke33 solglantan
DT|Dietist|Dietist|Stina|Claesson|f|rehab medmott
LG|Logoped|Logoped|Tove|Arvidsson|f|rehab stroke33
|Kurator|Kurator|Birgit|Jansson|f|psykmott onkmott
PS|Psykolog|Psykolog|Elias|Nowak|m|psykmott vc-hamnen
AP|Apotekare|Klinisk apotekare|Thi|Nguyen|f|ava31 kir41
BA|Biomedicinsk analytiker|Biomedicinsk analytiker|Susanna|Hansson|f|kemlab mikrolab
RS|Röntgensjuksköterska|Röntgensjuksköterska|Jesper|Gunnarsson|m|rontgen
|Medicinsk sekreterare|Medicinsk sekreterare|Agneta|Sundström|f|ava31 kir41 medmott
"""


@dataclass(frozen=True, slots=True)
class Staff:
    """``number`` is the place in the template's list of staff, from which clones take other names."""

    number: int
    licence: str
    profession: str
    title: str
    given: str
    family: str
    female: bool
    units: tuple[str, ...]

    def role(self, unit: str) -> str:
        return f"PractitionerRole/roll-{self.number:02d}-{unit}{BLOCK}"

    @property
    def name(self) -> str:
        return f"‹staff:{self.number}:name›"


def _staff() -> tuple[Staff, ...]:
    rows = (line.split("|") for line in _STAFF_TEXT.strip().splitlines())
    return tuple(
        Staff(number, code, profession, title, given, family, sex == "f", tuple(units.split()))
        for number, (code, profession, title, given, family, sex, units) in enumerate(rows)
    )


STAFF: Final = _staff()
# Reviews the access log of a whole provider. No other name in clones, so that the staff's stay what they are.
_TASK: Final = "urn:vaka:task"
REVIEWERS: Final = (
    ("region-vikmark", "TSTVAKA0001-L001", "Vera", "Sandahl"),
    ("capella-vard", "TSTVAKA0002-L001", "Love", "Alvarsson"),
)
DOCTOR, NURSE, PHYSIO = "Läkare", "Sjuksköterska", "Fysioterapeut"


def who(unit: str, profession: str, turn: int = 0) -> Staff:
    """Somebody of a profession at a unit (a midwife where there is no nurse); ``turn`` picks among several."""
    found = [one for one in STAFF if unit in one.units and one.profession == profession]
    if not found and profession == NURSE:
        found = [one for one in STAFF if unit in one.units and one.profession == "Barnmorska"]
    if not found:
        found = [one for one in STAFF if unit in one.units] or [one for one in STAFF if "rehab" in one.units]
    return found[turn % len(found)]


def ward_bed(unit: str, number: int) -> str:
    """The Location of a bed (or, in an emergency department, of a place)."""
    return f"Location/{unit}-plats-{number}{BLOCK}"


def _coded(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _organization(key: str, name: str, hsa: str, kind: str, part_of: str | None) -> dict[str, Any]:
    names = {"prov": "Healthcare Provider", "dept": "Hospital Department"}
    made: dict[str, Any] = {
        "resourceType": "Organization",
        "id": key,
        "identifier": [{"system": HSA, "value": hsa}],
        "active": True,
        "type": [_coded(_TYPE, kind, names[kind])],
        "name": name,
    }
    if part_of:
        made["partOf"] = {"reference": f"Organization/{part_of}"}
    return made


def _locations(unit: Unit, site: str) -> list[dict[str, Any]]:
    place = {
        "resourceType": "Location",
        "id": f"{unit.key}{BLOCK}",
        "status": "active",
        "name": unit.name,
        "mode": "instance",
        "physicalType": _coded(_PHYSICAL, "wa", "Ward"),
        "managingOrganization": {"reference": unit.reference},
        "partOf": {"reference": f"Location/{site}"},
    }
    beds = [
        {
            "resourceType": "Location",
            "id": f"{unit.key}-plats-{number}{BLOCK}",
            "status": "active",
            "name": f"{'Rum' if unit.kind == 'emergency' else 'Sal'} {number}"
            if unit.kind == "emergency"
            else f"Sal {(number + 1) // 2} plats {number}",
            "mode": "instance",
            "physicalType": _coded(_PHYSICAL, "bd", "Bed"),
            "managingOrganization": {"reference": unit.reference},
            "partOf": {"reference": f"Location/{unit.key}{BLOCK}"},
        }
        for number in range(1, unit.beds + 1)
    ]
    return [place, *beds]


def _practitioner(one: Staff) -> list[dict[str, Any]]:
    profession = {"text": one.title}
    if one.licence:
        profession |= _coded(_LICENCE, one.licence, one.profession)
    person: dict[str, Any] = {
        "resourceType": "Practitioner",
        "id": f"personal-{one.number:02d}{BLOCK}",
        "identifier": [{"system": HSA, "value": f"TSTVAKA0001-P{one.number:03d}{BLOCK}"}],
        "active": True,
        "name": [{"family": f"‹staff:{one.number}:family›", "given": [f"‹staff:{one.number}:given›"]}],
        "gender": "female" if one.female else "male",
        "qualification": [{"code": profession}],
    }
    roles = [
        {
            "resourceType": "PractitionerRole",
            "id": one.role(unit).split("/")[1],
            "active": True,
            "practitioner": {"reference": f"Practitioner/personal-{one.number:02d}{BLOCK}", "display": one.name},
            "organization": {"reference": UNITS[unit].reference, "display": UNITS[unit].name},
            "code": [profession],
            "location": [{"reference": f"Location/{unit}{BLOCK}"}],
        }
        for unit in one.units
    ]
    return [person, *roles]


def _reviewer(provider: str, hsa: str, given: str, family: str) -> list[dict[str, Any]]:
    task = {"text": "Loggranskare"} | _coded(_TASK, "log-reviewer", "Loggranskare")
    name = next(one[1] for one in PROVIDERS if one[0] == provider)
    person = {
        "resourceType": "Practitioner",
        "id": f"granskare-{provider}{BLOCK}",
        "identifier": [{"system": HSA, "value": f"{hsa}{BLOCK}"}],
        "active": True,
        "name": [{"family": family, "given": [given]}],
    }
    role = {
        "resourceType": "PractitionerRole",
        "id": f"roll-granskare-{provider}{BLOCK}",
        "active": True,
        "practitioner": {"reference": f"Practitioner/granskare-{provider}{BLOCK}", "display": f"{given} {family}"},
        "organization": {"reference": f"Organization/{provider}", "display": name},
        "code": [task],
    }
    return [person, role]


def directory() -> list[dict[str, Any]]:
    """All of it as resources, what is referred to first."""
    made = [_organization(key, name, hsa, "prov", None) for key, name, hsa, _ in PROVIDERS]
    for public, (*_, organisation) in zip(made, PROVIDERS, strict=True):
        public["identifier"].append({"system": _ORGANISATION_NUMBER, "value": organisation})
    for number, (key, name, provider) in enumerate(SITES):
        made.append(_organization(key, name, f"TSTVAKA0001-2{number:03d}", "prov", provider))
    for number, unit in enumerate(UNITS.values()):
        provider = next(site[2] for site in SITES if site[0] == unit.site)
        hsa = next(one[2] for one in PROVIDERS if one[0] == provider).split("-")[0]
        made.append(_organization(f"{unit.key}{BLOCK}", unit.name, f"{hsa}-3{number:03d}{BLOCK}", "dept", unit.site))
    for key, name, _ in SITES:
        made.append(
            {
                "resourceType": "Location",
                "id": key,
                "status": "active",
                "name": name,
                "mode": "instance",
                "physicalType": _coded(_PHYSICAL, "si", "Site"),
                "managingOrganization": {"reference": f"Organization/{key}"},
            }
        )
    for unit in UNITS.values():
        made += _locations(unit, unit.site)
    for one in STAFF:
        made += _practitioner(one)
    for reviewer in REVIEWERS:
        made += _reviewer(*reviewer)
    return made
