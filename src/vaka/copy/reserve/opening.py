"""Opening a copy's reserve in its folder (decision 0013): by the copy's own processes, and by a command beside them.

Invariants: the file is encrypted from its first byte (ChaCha20-Poly1305, the copy's key used as it is); a wrong key is
told, never answered with an empty reserve.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw
import orjson

from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Setup

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Place:
    """A copy's folder, as far as the reserve needs it. ``id``, ``name``, ``journal``: of ``copy.json``."""

    folder: Path
    id: str
    name: str
    journal: str

    def token(self) -> str:
        """This copy's own token."""
        try:
            return (self.folder / "keys" / "token").read_text().strip()
        except FileNotFoundError as error:
            raise Setup(
                f"there is no token in {self.folder / 'keys'}",
                help="`vaka token --system NAME --scope feed --scope feed-private --scope reserve` at the journal",
            ) from error


def place(folder: Path) -> Place:
    """The copy in ``folder``. Setup where there is none."""
    try:
        told = orjson.loads((folder / "copy.json").read_bytes())
        return Place(folder, str(told["id"]), str(told["name"]), str(told["journal"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Setup(
            f"there is no copy in {folder}", help="name the folder of one: --data DIR of `vaka copy`"
        ) from error


def key(folder: Path, key_file: Path | None = None) -> bytes:
    """The copy's key. Setup where it is missing or is none."""
    path = key_file or folder / "keys" / "copy.key"
    try:
        found = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise Setup(f"{path} is no key that can be read", help="give the copy's key with --key-file") from error
    if len(found) != KEY_BYTES:
        raise Setup(f"{path} is not a key", help=f"a key is {KEY_BYTES} bytes in hexadecimal")
    return found


def open_reserve(at: Place, secret: bytes, *, must_exist: bool = False) -> ReserveStore:
    """The reserve of the copy ``at``. Setup where the key is another, or there is none yet and it ``must_exist``."""
    path = at.folder / "reserve.db"
    if must_exist and not path.exists():
        raise Setup(
            f"there is no reserve in {at.folder}", help="nothing has ever been written there while the journal was away"
        )
    made = not path.exists()
    connection = apsw.Connection(str(path))
    try:
        connection.pragma("cipher", "chacha20")
        connection.pragma("key", f"raw:{secret.hex()}")
        connection.pragma("mmap_size", 0)
        connection.pragma("temp_store", "memory")
        connection.pragma("secure_delete", True)
        store = ReserveStore(connection, at.id)
    except apsw.NotADBError as error:
        connection.close()
        raise Setup(f"{path} cannot be opened with this key", help="give the copy's own key with --key-file") from error
    if made:
        path.chmod(0o600)
    return store
