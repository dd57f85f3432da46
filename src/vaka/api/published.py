"""The keys of this journal that its copies have: told at the head of the private feed.

Invariants: of keys that sign, the public half alone; the key of forms proves that a page is ours and lets nobody in, the key of
page addresses hides what was searched for, and what it opens is filtered again: both travel. The key of logins under way and of
the secrets of one-time codes (``login.key``) never does: whoever has it can be anybody.
"""

from __future__ import annotations

from typing import Final

import orjson

from vaka.api.keyring import Keyring
from vaka.api.secrets import Secret

TOPIC: Final = "keys"


class Published:
    """The keys as they are now, asked for often."""

    def __init__(self, sessions: Keyring, tokens: Keyring, form: bytes, page: Secret) -> None:
        self._sessions, self._tokens, self._form, self._page = sessions, tokens, form, page
        self._told: tuple[int, int, bytes] | None = None
        self._line = b""

    def line(self) -> bytes:
        """A line of the feed without a cursor; another one when a key has changed."""
        now = (self._sessions.look(), self._tokens.look(), self._page())
        if now != self._told:
            row = {
                "session": {kid: key.hex() for kid, key in self._sessions.publics().items()},
                "token": {kid: key.hex() for kid, key in self._tokens.publics().items()},
                "form": self._form.hex(),
                "page": now[2].hex(),
            }
            line = {"topic": TOPIC, "key": "journal", "row": row}
            self._line = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)
            self._told = now
        return self._line
