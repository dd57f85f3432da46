"""Analyses as a Swedish laboratory names and codes them, from the LOINC codes of the generators.

NPU codes are given where they are certain; the LOINC code always stands beside. ``factor`` and ``offset`` turn the
generators' American unit into the Swedish one. Reference ranges are ordinary adult ones: (low, high), women and men.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Analysis:
    """``unit`` is shown, ``ucum`` is the code; ``places`` decimals are reported."""

    name: str
    npu: str
    loinc: str
    unit: str
    ucum: str
    places: int
    women: tuple[float | None, float | None]
    men: tuple[float | None, float | None]
    factor: float = 1.0
    offset: float = 0.0


def _rows(*rows: tuple[object, ...]) -> dict[str, Analysis]:
    found = {}
    for name, npu, loinc, unit, ucum, places, low, high, *rest in rows:
        men = rest[0] if rest and rest[0] else (low, high)
        factor = rest[1] if len(rest) > 1 else 1.0
        offset = rest[2] if len(rest) > 2 else 0.0
        found[str(name)] = Analysis(name, npu, loinc, unit, ucum, places, (low, high), men, factor, offset)  # type: ignore[arg-type]
    return found


ANALYSES: Final = _rows(
    ("B-Hemoglobin(Hb)", "NPU28309", "718-7", "g/L", "g/L", 0, 117, 153, (134, 170), 10),
    ("B-Leukocyter", "NPU02593", "6690-2", "10^9/L", "10*9/L", 1, 3.5, 8.8),
    ("B-Trombocyter", "NPU03568", "777-3", "10^9/L", "10*9/L", 0, 165, 387, (145, 348)),
    ("B-Erytrocyter", "NPU01960", "789-8", "10^12/L", "10*12/L", 1, 3.9, 5.2, (4.2, 5.7)),
    ("B-EVF", "NPU01961", "4544-3", "%", "%", 0, 35, 46, (39, 50)),
    ("Erc(B)-MCV", "NPU01944", "787-2", "fL", "fL", 0, 82, 98),
    ("Erc(B)-MCH", "NPU26880", "785-6", "pg", "pg", 0, 27, 33),
    ("P-CRP", "NPU19748", "1988-5", "mg/L", "mg/L", 0, None, 3),
    ("P-Prokalcitonin", "", "75241-0", "µg/L", "ug/L", 2, None, 0.05),
    ("B-SR", "NPU03404", "4537-7", "mm", "mm/h", 0, None, 30, (None, 20)),
    ("P-Natrium", "NPU03429", "2951-2", "mmol/L", "mmol/L", 0, 137, 145),
    ("P-Kalium", "NPU03230", "2823-3", "mmol/L", "mmol/L", 1, 3.5, 4.4),
    ("P-Klorid", "NPU01536", "2075-0", "mmol/L", "mmol/L", 0, 100, 110),
    ("P-Kreatinin", "NPU04998", "2160-0", "µmol/L", "umol/L", 0, 45, 90, (60, 105), 88.4),
    ("P-Urea", "NPU01459", "3094-0", "mmol/L", "mmol/L", 1, 2.6, 6.4, (3.2, 8.1), 0.357),
    ("Pt-eGFR(Krea)", "", "33914-3", "mL/min/1,73 m²", "mL/min/{1.73_m2}", 0, 60, None),
    ("P-Kalcium", "NPU01443", "17861-6", "mmol/L", "mmol/L", 2, 2.15, 2.50, None, 0.2495),
    ("P-Magnesium", "NPU02647", "19123-9", "mmol/L", "mmol/L", 2, 0.70, 0.95, None, 0.4114),
    ("P-Fosfat", "NPU03096", "2777-1", "mmol/L", "mmol/L", 2, 0.80, 1.50, None, 0.3229),
    ("P-Glukos", "NPU02192", "2345-7", "mmol/L", "mmol/L", 1, 4.2, 6.3, None, 0.0555),
    ("B-HbA1c", "NPU27300", "4548-4", "mmol/mol", "mmol/mol", 0, 27, 42, None, 10.93, -23.5),
    ("P-ALAT", "NPU19651", "1742-6", "µkat/L", "ukat/L", 2, None, 0.75, (None, 1.1), 0.01667),
    ("P-ASAT", "NPU19654", "1920-8", "µkat/L", "ukat/L", 2, None, 0.60, (None, 0.75), 0.01667),
    ("P-ALP", "NPU27783", "6768-6", "µkat/L", "ukat/L", 1, 0.6, 1.8, None, 0.01667),
    ("P-GT", "NPU19657", "2324-2", "µkat/L", "ukat/L", 2, None, 1.2, (None, 2.0), 0.01667),
    ("P-LD", "NPU19658", "2532-0", "µkat/L", "ukat/L", 1, None, 3.5, None, 0.01667),
    ("P-Bilirubin", "NPU01370", "1975-2", "µmol/L", "umol/L", 0, 5, 25, None, 17.1),
    ("P-Albumin", "NPU19673", "1751-7", "g/L", "g/L", 0, 36, 45, None, 10),
    ("P-Protein", "", "2885-2", "g/L", "g/L", 0, 62, 78, None, 10),
    ("P-Laktat", "", "2524-7", "mmol/L", "mmol/L", 1, 0.5, 2.3),
    ("P-NT-proBNP", "NPU21571", "33762-6", "ng/L", "ng/L", 0, None, 300),
    ("P-BNP", "", "42637-9", "ng/L", "ng/L", 0, None, 100),
    ("P-Troponin T", "NPU27501", "67151-1", "ng/L", "ng/L", 0, None, 14),
    ("P-Troponin I", "", "10839-9", "ng/L", "ng/L", 0, None, 40, None, 1000),
    ("P-CK-MB", "", "13969-1", "µg/L", "ug/L", 1, None, 5),
    ("P-PK(INR)", "NPU01685", "6301-6", "INR", "{INR}", 1, 0.9, 1.2),
    ("P-APT-tid", "NPU01682", "14979-9", "s", "s", 0, 24, 32),
    ("P-D-dimer", "", "48065-7", "mg/L FEU", "mg/L", 2, None, 0.50),
    ("P-Fibrinogen", "NPU19767", "3255-7", "g/L", "g/L", 1, 2.0, 4.2, None, 0.01),
    ("P-TSH", "NPU03577", "3016-3", "mIE/L", "m[IU]/L", 2, 0.40, 3.7),
    ("P-T4, fritt", "NPU03579", "3024-7", "pmol/L", "pmol/L", 0, 12, 22, None, 12.87),
    ("P-Ferritin", "NPU19763", "2276-4", "µg/L", "ug/L", 0, 13, 148, (30, 350)),
    ("P-Kobalamin", "NPU01700", "2132-9", "pmol/L", "pmol/L", 0, 150, 650),
    ("P-Kolesterol", "NPU01566", "2093-3", "mmol/L", "mmol/L", 1, 3.3, 6.9, None, 0.02586),
    ("P-HDL-kolesterol", "NPU01567", "2085-9", "mmol/L", "mmol/L", 1, 1.0, 2.7, (0.8, 2.1), 0.02586),
    ("P-LDL-kolesterol", "NPU01568", "18262-6", "mmol/L", "mmol/L", 1, 1.4, 4.7, None, 0.02586),
    ("P-Triglycerider", "NPU04094", "2571-8", "mmol/L", "mmol/L", 1, 0.45, 2.6, None, 0.01129),
    ("P-PSA", "NPU08669", "2857-1", "µg/L", "ug/L", 1, None, None, (None, 4.0)),
    ("U-Albumin/Kreatinin", "NPU19661", "14959-1", "mg/mmol", "mg/mmol", 1, None, 3.0, None, 0.113),
    ("aB-pH", "", "2744-1", "pH", "[pH]", 2, 7.35, 7.45),
    ("aB-pCO2", "", "2019-8", "kPa", "kPa", 1, 4.6, 6.0, None, 0.1333),
    ("aB-pO2", "", "2703-7", "kPa", "kPa", 1, 10.0, 13.3, None, 0.1333),
    ("aB-Bikarbonat", "NPU02409", "1963-8", "mmol/L", "mmol/L", 0, 22, 27),
    ("P-Litium", "", "14334-7", "mmol/L", "mmol/L", 2, 0.5, 0.9),
    ("P-CEA", "", "2039-6", "µg/L", "ug/L", 1, None, 5.0),
)

BY_LOINC: Final = {analysis.loinc: analysis for analysis in ANALYSES.values()} | {
    other: ANALYSES[name]
    for other, name in (
        ("38483-4", "P-Kreatinin"),
        ("2339-0", "P-Glukos"),
        ("6299-2", "P-Urea"),
        ("49765-1", "P-Kalcium"),
        ("2947-0", "P-Natrium"),
        ("6298-4", "P-Kalium"),
        ("2069-3", "P-Klorid"),
        ("1960-4", "aB-Bikarbonat"),
        ("13457-7", "P-LDL-kolesterol"),
        ("48642-3", "Pt-eGFR(Krea)"),
        ("3173-2", "P-APT-tid"),
        ("58941-6", "P-Bilirubin"),
        ("89579-7", "P-Troponin I"),
    )
}


# A generator's value above this is a fault of its own (a unit taken for another).
_MOST: Final = {"P-Kreatinin": 1500.0, "P-Urea": 60.0, "P-Glukos": 60.0, "P-Kalium": 9.0}


def swedish_value(analysis: Analysis, value: float, unit: str) -> float | None:
    """A generator's value in the Swedish unit; None where no body has such a value."""
    if unit in ("/uL", "{cells}/uL"):
        value /= 1000
    elif not (unit == analysis.ucum and analysis.factor != 1.0) and not (unit == "pg/mL" and analysis.ucum == "ng/L"):
        value = value * analysis.factor + analysis.offset
    return value if 0 < value <= _MOST.get(analysis.name, value) else None
