"""Whether a copy can still know who has blocked and consented to what (A8, S20). Pure.

It cannot while it catches up, since an entry can come before the block that was committed first (traps: Feed); while what
it holds is not the journal's history; and when no journal has been heard for a stated time. Other care providers'
information is then shown in an emergency opening alone (rule A8-aged), and it is said beside the answer. """

from __future__ import annotations

from vaka import config

_DAY_S = 86_400.0


def cannot_know(age_s: float | None, *, whole: bool, trusted: bool, days: float = config.COPY_CONSENTS_DAYS) -> bool:
    """``age_s``: since the journal was last heard, by a clock that only goes forward; None: not known. ``whole``: all below the
    feed's last mark is here; ``trusted``: the journal's history is taken for this copy's."""
    return not whole or not trusted or age_s is None or age_s > days * _DAY_S
