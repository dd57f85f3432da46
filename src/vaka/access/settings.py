"""Points of law that a region settles, each a switch whose default is the closed choice. Pure.

They are given to ``vaka up --law NAME=on`` and nowhere else, so that a start says all that is open; a name that is not known, and
a value that is not on or off, refuse the start. Source: safety.md S21, S25; points marked (L) are a lawyer's to settle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace

from vaka.errors import Setup


@dataclass(frozen=True, slots=True)
class Settings:
    """Each is off until it is switched on."""

    outer_block_opens_in_emergency: bool = False
    """S21: whether an emergency opening shows what an outer block covers."""
    incapacity_stands_for_consent: bool = False
    """S25: whether other providers' information can be opened without consent, on an attested reason, for a patient who lacks
    capacity for more than the moment."""

    @property
    def arguments(self) -> list[str]:
        """As ``settings_of`` reads them: what is on."""
        return [f"{name}=on" for name, on in asdict(self).items() if on]

    @property
    def text(self) -> str:
        """All of them, for the log and for people."""
        return ", ".join(f"{name}={'on' if on else 'off'}" for name, on in asdict(self).items())


CLOSED = Settings()
NAMES = tuple(one.name for one in fields(Settings))


def settings_of(given: Iterable[str]) -> Settings:
    """The settings that texts like ``outer_block_opens_in_emergency=on`` make; Setup for what is none, or stands twice."""
    chosen: dict[str, bool] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in NAMES:
            raise Setup(f"--law {text[:80]}: there is no such point of law", help=f"it is one of {', '.join(NAMES)}")
        if value not in ("on", "off"):
            raise Setup(f"--law {text[:80]}: the value is on or off", help=f"write --law {name}=on; off is the default")
        if name in chosen:
            raise Setup(f"--law {name} is given twice", help="give it once")
        chosen[name] = value == "on"
    return replace(CLOSED, **chosen)
