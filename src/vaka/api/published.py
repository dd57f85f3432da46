"""The keys of this journal that its copies have: told at the head of the private feed.

Invariants: of keys that sign, the public half alone; the key of forms proves that a page is ours and lets nobody in, the key of
page addresses hides what was searched for, and what it opens is filtered again: both travel. The key of logins under way and of
the secrets of one-time codes (``login.key``) never does: whoever has it can be anybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vaka import log
from vaka.api.keyring import Keyring
from vaka.api.secrets import Secret, Watched
from vaka.copy import revoked
from vaka.copy.reserve import recovery
from vaka.errors import VakaError

TOPIC: Final = "keys"
RECOVERY: Final = "recovery.pub"


class RecoveryHalf:
    """The public half of the region's recovery key, ``DIR/secret/recovery.pub``, as it is now; None where there is none."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "secret" / RECOVERY
        self._watched = Watched(data_dir)
        self._half: bytes | None = None

    def __call__(self) -> bytes | None:
        if self._watched.changed():
            try:
                self._half = recovery.public_half(self._path.read_bytes()) if self._path.exists() else None
            except (VakaError, OSError) as error:  # what copies have had until now stays theirs
                log.error("recovery key cannot be read", path=self._path.name, kind=type(error).__name__)
        return self._half


class Removed:
    """The certificates that ``vaka peer remove`` has voided, as its authority's list (DER); None where there is none."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "secret" / "tls" / "revoked.pem"
        self._stamp: int | None = None
        self._list: bytes | None = None

    def __call__(self) -> bytes | None:
        try:
            if (stamp := self._path.stat().st_mtime_ns) != self._stamp:
                self._list = x509.load_pem_x509_crl(self._path.read_bytes()).public_bytes(Encoding.DER)
                self._stamp = stamp
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:  # what copies have had until now stays theirs
            log.error("list of removed certificates cannot be read", kind=type(error).__name__)
        return self._list


class Published:
    """The keys as they are now, asked for often."""

    def __init__(
        self, sessions: Keyring, tokens: Keyring, form: bytes, page: Secret, recovers: RecoveryHalf, removed: Removed
    ) -> None:
        self._sessions, self._tokens, self._form, self._page = sessions, tokens, form, page
        self._recovers, self._removed = recovers, removed
        self._told: tuple[int, int, bytes, bytes | None, bytes | None] | None = None
        self._line = b""

    def line(self) -> bytes:
        """A line of the feed without a cursor; another one when a key has changed."""
        now = (self._sessions.look(), self._tokens.look(), self._page(), self._recovers(), self._removed())
        if now != self._told:
            row = {
                "session": {kid: key.hex() for kid, key in self._sessions.publics().items()},
                "token": {kid: key.hex() for kid, key in self._tokens.publics().items()},
                "form": self._form.hex(),
                "page": now[2].hex(),
                **({recovery.USE: now[3].hex()} if now[3] is not None else {}),
                **({revoked.USE: now[4].hex()} if now[4] is not None else {}),
            }
            line = {"topic": TOPIC, "key": "journal", "row": row}
            self._line = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)
            self._told = now
        return self._line
