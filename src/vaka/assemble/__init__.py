"""The composition root: which processes make one Vaka, and what each is given.

Invariant: a name is looked up when it is asked for, so that a process imports what it is made of and no more: what answers at a
copy waits for nothing of the journal's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vaka.assemble.copies import Copy as Copy
    from vaka.assemble.copies import run as run_copy
    from vaka.assemble.copies import serve as serve_copy
    from vaka.assemble.place import check_port as check_port
    from vaka.assemble.place import directory as directory
    from vaka.assemble.record import backup_source as backup_source
    from vaka.assemble.record import swap_in as swap_in
    from vaka.assemble.start import API_SILENT_MAX_S as API_SILENT_MAX_S
    from vaka.assemble.start import DATABASE_WAIT_S as DATABASE_WAIT_S
    from vaka.assemble.start import EMBEDDED_WAIT_S as EMBEDDED_WAIT_S
    from vaka.assemble.start import Start as Start
    from vaka.assemble.start import serve as serve
    from vaka.assemble.start import up as up
    from vaka.assemble.start import wait_s as wait_s

__all__ = ["run_copy", "serve_copy"]

_RENAMED: Final = {"run_copy": ("copies", "run"), "serve_copy": ("copies", "serve")}
_FROM: Final = {
    "copies": ("Copy",),
    "place": ("check_port", "directory"),
    "record": ("backup_source", "swap_in"),
    "start": ("API_SILENT_MAX_S", "DATABASE_WAIT_S", "EMBEDDED_WAIT_S", "Start", "serve", "up", "wait_s"),
}


def __getattr__(name: str) -> Any:
    module, its_name = _RENAMED.get(name) or next(
        ((one, name) for one, names in _FROM.items() if name in names), ("", "")
    )
    if not module:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), its_name)
