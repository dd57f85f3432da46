"""Codes of FHIR that are shown, as texts to translate (``render``: the filter ``spoken``). A code that does not stand here is
shown as it is."""

from __future__ import annotations

from typing import Final

from vaka.texts import N_

CODES: Final = (
    N_("unconfirmed"), N_("presumed"), N_("provisional"), N_("differential"), N_("inactive"), N_("resolved"),
    N_("anticoagulant"), N_("insulin"), N_("cytotoxic"), N_("opioid"), N_("urgent"), N_("asap"), N_("stat"),
    N_("preliminary"), N_("partial"), N_("amended"), N_("corrected"), N_("appended"), N_("proposed"), N_("pending"),
    N_("booked"), N_("arrived"), N_("checked-in"), N_("waitlist"), N_("triaged"), N_("onleave"), N_("planned"),
    N_("preparation"), N_("in-progress"), N_("on-hold"), N_("male"), N_("female"), N_("other"), N_("unknown"),
    N_("personnummer"), N_("samordningsnummer"), N_("reservnummer"),
)  # fmt: skip
