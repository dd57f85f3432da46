"""The reserve of a copy, as its front door gets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaka.api.reserve.accept import Reserving, Single
from vaka.api.reserve.known import OnCopy
from vaka.copy.files import Folder
from vaka.copy.reserve.neighbours import Neighbours
from vaka.copy.reserve.opening import open_reserve, token
from vaka.copy.reserve.peers import Peers
from vaka.copy.reserve.telling import Telling
from vaka.copy.store import CopyStore


def reserving(
    folder: Folder,
    record: CopyStore,
    *,
    key_file: Path | None = None,
    token_file: Path | None = None,
    verify: Any = True,
    offset_ms: Callable[[], int | None],
) -> Reserving:
    """Over the copy in ``folder``, whose followed record is ``record``. ``verify``: of the other copies, as httpx takes it;
    ``offset_ms``: how far this machine's clock is ahead, None where it is not known (S6)."""
    store, neighbours = open_reserve(folder, key_file), Neighbours(folder)
    peers = Peers(store, neighbours.peers, lambda: token(folder, token_file), verify=verify)

    def single() -> Single:
        chosen = neighbours.single()
        return Single(chosen) if chosen in set(Single) else Single.NOBODY

    return Reserving(
        store, peers, OnCopy(record), folder.about().name, single, Telling(folder.control), offset_ms=offset_ms
    )
