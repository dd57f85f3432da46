"""The told people: twelve records whose story holds together, first in the file and named in the decision.

Their personnummer follow from their birth dates (nobody of the demo region before them is given one).
"""

from __future__ import annotations

from random import Random

from region_record import Record
from region_stories_acute import hip, sepsis
from region_stories_chronic import copd, diabetes, oncology, warfarin
from region_stories_family import dementia, mother, newborn
from region_stories_long import dialysis, polypharmacy, psychiatric


def everyone(random: Random) -> list[Record]:
    """All told people; the mother before her child."""
    tellers = (
        sepsis,
        hip,
        copd,
        diabetes,
        warfarin,
        oncology,
        mother,
        newborn,
        dementia,
        polypharmacy,
        psychiatric,
        dialysis,
    )
    return [teller(random) for teller in tellers]
