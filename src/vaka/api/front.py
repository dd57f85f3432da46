"""Who calls, and under which address, as far as it may be believed.

Invariants: forwarding headers count only behind a proxy or a copy, and only from loopback, the named proxy, or a copy that
has shown its certificate; behind a proxy nobody else is served but with /health and /ready; the feed is never passed on; a
name that is not ours gets no token. Source: RFC 7239, RFC 9110 7.2."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from vaka.api.http import base_url
from vaka.errors import Forbidden

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
_PAIR: Final = re.compile(r'(for|host|proto)="?([^";,]*)"?', re.IGNORECASE)
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Front:
    """One listener. ``names``: what it is called; ``proxies``: None unless behind a proxy or a copy of this machine;
    ``copies``: it is copies of this machine, and nobody else's word counts; ``mutual``: who comes in has shown a certificate of
    ours, as copies do; ``secure``: it speaks TLS."""

    names: frozenset[str] = LOOPBACK_NAMES
    proxies: frozenset[str] | None = None
    mutual: bool = False
    secure: bool = False
    copies: bool = False

    @property
    def is_direct(self) -> bool:
        """Whether a connection is one caller's, and not a proxy's or a copy's that carries many."""
        return self.proxies is None and not self.mutual

    @property
    def carries(self) -> bool:
        """Whether who comes in is a copy, which knows how important a request is that it passes on."""
        return self.mutual or self.copies

    def origin(
        self, scheme: str, host: str | None, client: str, headers: Mapping[str, str], *, probe: bool = False
    ) -> tuple[str, str]:
        """(base address, source address) of a request. Forbidden for who goes round the proxy; ``probe``: may go round it."""
        source = _address(client)
        if self.proxies is None and not self.mutual:
            return base_url(scheme, host), source
        if self.proxies is not None and not _near(source) and source not in self.proxies:
            if probe:
                return base_url(scheme, host), source
            raise Forbidden("this is reached through its proxy only", help="use the address that the proxy has")
        if not any(name in headers for name in _FORWARDED):
            return base_url(scheme, host), source
        told = {name.lower(): value for name, value in _PAIR.findall(headers.get("forwarded", "").rpartition(",")[2])}
        scheme = (_last(headers, "x-forwarded-proto") or told.get("proto") or "https").lower()
        host = _last(headers, "x-forwarded-host") or told.get("host") or host
        source = _last(headers, "x-forwarded-for") or told.get("for") or source
        return base_url("http" if scheme == "http" else "https", host), _address(source)

    def is_ours(self, base: str) -> bool:
        """Whether an address is one that this listener has; of copies, one that they have: they have looked."""
        if self.mutual:
            return True
        name = (urlsplit(base).hostname or "").lower()
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names

    def feed_allowed(self, source: str, headers: Mapping[str, str]) -> bool:
        """The feed leaves this machine to peers with a certificate only."""
        return (self.mutual or _near(source)) and not any(name in headers for name in _FORWARDED)


def _last(headers: Mapping[str, str], name: str) -> str:
    """What the nearest proxy has added: the last of a list."""
    return headers.get(name, "").rpartition(",")[2].strip()


@lru_cache(maxsize=1_024)
def _address(text: str) -> str:
    """The address alone, of ``1.2.3.4:80``, ``[::1]:80``, ``::1``."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=1_024)
def _near(source: str) -> bool:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
