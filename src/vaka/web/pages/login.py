"""What the page of a login shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody of the demo region."""

    hsa: str
    name: str
    title: str
    units: str


@dataclass(frozen=True, slots=True)
class LoginPage:
    """``challenge``: for a passkey, once; ``site``: the name that passkeys belong to, where that is not the page's own;
    ``services``: names of identity services in the order of their numbers; ``staff``: who can be clicked, in a demo only;
    ``problem``: why the last try did not succeed; ``person``: what was typed then; ``code``: passphrase and code
    are taken here, not on a page that only the journal has; None: nowhere (a ward snapshot)."""

    template: ClassVar[str] = "login.html"
    csrf: str
    challenge: str
    site: str = ""
    services: tuple[str, ...] = ()
    staff: tuple[Staff, ...] = ()
    problem: str = ""
    person: str = ""
    code: bool | None = True
