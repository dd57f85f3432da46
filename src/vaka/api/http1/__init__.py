"""HTTP/1.1 as this server speaks it: llhttp (by httptools) reads, uvloop carries. docs/decisions/0016-http1.md."""

from vaka.api.http1.connection import Application, Connection
from vaka.api.http1.exchange import Exchange
from vaka.api.http1.listener import Listener, Tls
from vaka.api.http1.refusal import refusal

__all__ = ["Application", "Connection", "Exchange", "Listener", "Tls", "refusal"]
