"""Which answers of passkeys this process has verified, so that the session that rests on one need not verify it again.

Invariant: an answer is known here only after the library has verified all of it, and only together with everything that it was
verified against: credential, challenge, site, origin and public key. Whether it may be used (once, by whom, until when) is
not said here, and is asked each time.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_KEPT_MAX: Final = 20_000


class Answer(NamedTuple):
    """What an authenticator sent, as it was sent (base64url)."""

    credential: str
    data: str
    client: str
    signature: str


class Against(NamedTuple):
    """What an answer is verified against."""

    challenge: bytes
    site: str
    origin: str
    public_key: bytes


class Proofs:
    """Of one process."""

    def __init__(self) -> None:
        self._held: set[tuple[Answer, Against]] = set()

    def keep(self, answer: Answer, against: Against) -> None:
        """It was verified, its user too."""
        if len(self._held) >= _KEPT_MAX:
            self._held.clear()
        self._held.add((answer, against))

    def hold(self, answer: Answer, against: Against) -> bool:
        """Whether the same was verified here."""
        return (answer, against) in self._held
