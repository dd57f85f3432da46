"""How a copy speaks to its journal and to other copies beyond this machine."""

from __future__ import annotations

import ssl
from pathlib import Path


def tls(authority: Path | None, certificate: Path | None) -> ssl.SSLContext | bool:
    """How the journal is verified, and this copy's own certificate where there is one."""
    if authority is None and certificate is None:
        return True
    import httpx  # a copy of loopback starts without it

    context = httpx.create_ssl_context(verify=True)
    if authority is not None:
        context = ssl.create_default_context(cafile=str(authority))
    if certificate is not None:
        context.load_cert_chain(str(certificate))
    return context
