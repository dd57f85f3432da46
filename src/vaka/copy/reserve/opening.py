"""Opening a copy's reserve in its folder (decision 0013): by the copy's own processes, and by a command beside them.

Invariants: the file is encrypted from its first byte (``copy.engine``); a wrong key is told, never answered with an empty
reserve."""

from __future__ import annotations

from pathlib import Path

from vaka.copy import engine
from vaka.copy.files import Folder, key, reserve_key
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Setup


def open_reserve(
    folder: Folder, key_file: Path | None = None, *, must_exist: bool = False, recovered: bytes | None = None
) -> ReserveStore:
    """The reserve of the copy in ``folder``. ``recovered``: its own key (``copy.reserve.recovery``), else it follows from the
    copy's. Setup where the key is another, or there is none yet and it ``must_exist``; Lasting where the file is damaged."""
    about = folder.about()
    if must_exist and not folder.reserve.exists():
        raise Setup(
            f"there is no reserve in {folder.path}",
            help="nothing has ever been written there while the journal was away",
        )
    used = recovered if recovered is not None else reserve_key(key(folder, key_file))
    # By another key than the copy's it may be that which is wrong, not the file.
    opened = engine.lasting(folder.reserve, used) if recovered is None else engine.writer(folder.reserve, used)
    return ReserveStore(opened, about.id)


def token(folder: Folder, token_file: Path | None = None) -> str:
    """The copy's own token. Setup where it has none."""
    try:
        return (token_file or folder.token).read_text().strip()
    except FileNotFoundError as error:
        raise Setup(
            f"there is no token in {folder.keys}",
            help="`vaka token --system NAME --scope feed --scope feed-private --scope reserve` at the journal",
        ) from error
