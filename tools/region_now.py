"""What goes on among people with lifelong records: appointments, waiting answers, alerts, stays, consents, blocks."""

from __future__ import annotations

from typing import Final

import region_texts
from region_places import DOCTOR, NURSE, PHYSIO, UNITS
from region_record import Record, Visit, at, on
from region_ward import admitted

_CLINICS: Final = (
    ("medmott", "Återbesök"),
    ("hjartmott", "Kontroll av hjärtsvikt"),
    ("ortmott", "Återbesök efter fraktur"),
    ("kirmott", "Bedömning av gallbesvär"),
    ("lungmott", "Spirometri och återbesök"),
    ("kvinnomott", "Kontroll"),
    ("ogonmott", "Ögonbottenfotografering"),
    ("psykmott", "Samtal"),
    ("njurmott", "Kontroll av njurfunktion"),
    ("eke-mott", "Återbesök"),
    ("capella-spec", "Bedömning"),
    ("akmott", "Insättning av antikoagulantia"),
)
_ALERTS: Final = (
    ("clinical", "Smitta: MRSA-bärare", "266096002"),
    ("clinical", "Smitta: VRE-bärare", "406617004"),
    ("clinical", "Smitta: ESBL-bärare", ""),
    ("clinical", "Blodsmitta", ""),
    ("safety", "Fallrisk", "129839007"),
    ("clinical", "Behandlingsbegränsning: 0 HLR", "304253006"),
    ("clinical", "Svår intubation", ""),
    ("clinical", "Läkemedel: blödningsrisk, antikoagulantia", ""),
    ("behavioral", "Risk för hot och våld", ""),
    ("admin", "Behov av tolk: arabiska", ""),
)
_WARD_STAYS: Final = (
    ("psyk71", ("F32.2", "Svår depressiv episod utan psykotiska symtom"), ("sertralin", "zopiklon")),
    ("onk61", ("C50.9", "Malign tumör i bröstkörtel, ospecificerad"), ("paracetamol", "omeprazol", "betametason")),
    ("ort43", ("S72.0", "Fraktur på lårbenshalsen"), ("paracetamol", "oxikodondepot", "dalteparin", "makrogol")),
    (
        "solglantan",
        ("I50.9", "Hjärtinkompetens, ospecificerad"),
        ("furosemid", "metoprolol", "kaliumklorid", "paracetamol"),
    ),
    ("kir41", ("K80.2", "Gallsten i gallblåsan utan kolecystit"), ("paracetamol", "dalteparin", "ringer")),
    ("stroke33", ("I63.9", "Cerebral infarkt, ospecificerad"), ("asa", "atorvastatin", "amlodipin")),
    ("hia34", ("I48.9", "Förmaksflimmer, ospecificerat"), ("apixaban", "metoprolol")),
    ("iva", ("J96.0", "Akut respiratorisk insufficiens"), ("piptazo", "dalteparin", "pantoprazol")),
    ("barn53", ("J45.9", "Astma, ospecificerad"), ("ipratropium", "prednisolon")),
    ("bb51", ("O80.0", "Spontan förlossning i kronhjässbjudning"), ("paracetamol",)),
    ("eke-med", ("N10.9", "Akut pyelonefrit"), ("cefotaxim", "paracetamol", "dalteparin")),
)


def _age(record: Record) -> int:
    return 1 if isinstance(record.born, int) else 2026 - record.born.year


def _suits(record: Record, unit: str) -> bool:
    age = _age(record)
    if unit == "barn53":
        return age < 17
    if unit == "bb51":
        return record.female and 20 <= age <= 42
    if unit in ("solglantan", "ort43"):
        return age >= 65
    return age >= 25


class Now:
    """Spreads what is going on over the people, in turn, so that each unit has its share."""

    def __init__(self) -> None:
        self._booked: dict[tuple[str, int], int] = {}
        self._beds: dict[str, int] = {}
        self._stays = [stay for stay in _WARD_STAYS for _ in range(4)]

    def lifelong(self, record: Record, visit: Visit, place: int) -> None:
        """Adds what happens now to a person whose past has been written; ``visit`` is the last one."""
        random = record.random
        # (The old are few among the generated, and many on the wards.)
        here = place % 5 == 2 or (_age(record) >= 65 and place % 2 == 0)
        if stay := next((stay for stay in self._stays if here and _suits(record, stay[0])), None):
            self._stays.remove(stay)
            unit, diagnosis, drugs = stay
            # The last beds of each ward; the first ones are for the generator's stays, two are for the stories.
            self._beds[unit] = self._beds.get(unit, 0) + 1
            bed = self._bed(unit)
            start = -random.randrange(1, 8)
            admitted(record, unit, bed, start, diagnosis, drugs)
        elif random.random() < 0.68:
            self._appointment(record)
        if random.random() < 0.12:
            category, text, snomed = random.choice(_ALERTS)
            record.flag(visit, on(-random.randrange(20, 1500)), category, text, snomed=snomed)
        if random.random() < 0.22:
            self._waiting(record)
        if random.random() < 0.12:
            unit = random.choice(("capella-spec", "vc-kajen", "hemsjukvard"))
            record.consent(
                at(-random.randrange(5, 300), "10:10"),
                "patient-privacy",
                "Samtycke till sammanhållen vårddokumentation",
                unit,
                "Vård och behandling",
                permit=True,
            )
        elif random.random() < 0.04:
            unit = random.choice(("psykmott", "kvinnomott", "capella-spec"))
            record.consent(
                at(-random.randrange(5, 900), "11:20"),
                "patient-privacy",
                "Spärr av vårdenhet",
                unit,
                "Spärr",
                permit=False,
            )

    def _bed(self, unit: str) -> int:
        return UNITS[unit].beds - 1 - self._beds[unit] if unit not in ("iva",) else self._beds[unit]

    def _appointment(self, record: Record) -> None:
        random = record.random
        age = _age(record)
        if random.random() < 0.55:
            unit, reason = (
                record.primary,
                random.choice(
                    (
                        "Årskontroll",
                        "Blodtryckskontroll",
                        "Provtagning",
                        "Recept och läkemedel",
                        "Hosta sedan tre veckor",
                    )
                ),
            )
        elif age < 17:
            unit, reason = "barnmott", "Återbesök"
        else:
            unit, reason = random.choice(_CLINICS)
        if unit == "kvinnomott" and not record.female:
            unit, reason = "medmott", "Återbesök"
        day = random.choice((0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7))
        taken = self._booked[unit, day] = self._booked.get((unit, day), -1) + 1
        # Between eight and sixteen, every twenty minutes, in another order on each unit.
        minute = 8 * 60 + (taken * 140 + sum(map(ord, unit)) * 20) % 480
        profession = random.choice((DOCTOR, DOCTOR, NURSE, PHYSIO)) if unit.startswith("vc") else DOCTOR
        record.appointment(unit, day, f"{minute // 60:02d}:{minute % 60:02d}", 20, reason, profession=profession)

    def _waiting(self, record: Record) -> None:
        """A visit of the last days that something is still open of."""
        random = record.random
        day = -random.randrange(1, 9)
        visit = record.encounter(record.primary, "AMB", at(day, "13:20"), at(day, "13:45"), ("Z71.9", "Rådgivning"))
        kind = random.randrange(3)
        if kind == 0:
            values = {
                "B-Hemoglobin(Hb)": random.gauss(126, 16),
                "P-Kreatinin": random.gauss(86, 25),
                "P-Kalium": random.gauss(4.1, 0.5),
                "P-CRP": abs(random.gauss(8, 20)),
                "P-TSH": abs(random.gauss(2.4, 1.6)),
            }
            report = record.panel(visit, at(day + 1 if day < -1 else day, "15:30"), "Kemlabsvar", values)
            record.task(visit, at(day + 1 if day < -1 else day, "15:31"), "Svar från Klinisk kemi att vidimera", report)
        elif kind == 1:
            to = random.choice(("hjartmott", "ortmott", "kirmott", "lungmott", "rontgen", "ogonmott"))
            record.referral(
                visit,
                at(day, "13:50"),
                "Röntgen" if to == "rontgen" else "Specialistbedömning",
                to,
                "Bedömning och förslag på åtgärd",
                urgent=random.random() < 0.2,
                category="Bilddiagnostik" if to == "rontgen" else "Remiss",
            )
        else:
            note = record.note(
                visit,
                at(day, "13:50"),
                "Telefonkontakt",
                region_texts.visit(random, "Z71", "Rådgivning per telefon"),
                signed=False,
            )
            record.task(visit, at(day, "13:51"), "Anteckning att signera", note, code="Signera anteckning")
