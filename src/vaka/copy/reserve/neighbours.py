"""Which other copies the region has, and what a site has chosen: ``DIR/neighbours.json``, read anew where it has changed.

``{"peers": [{"name": "south", "url": "https://…"}], "single": "nobody"}``; none: no peers, and nobody's entry is
acknowledged alone. Where the one copy of a site has no neighbours, ``vaka up`` lets people write on it all the same, and says so
(``"because": "alone"``); what a site has chosen itself stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from vaka.copy import files
from vaka.copy.files import Folder
from vaka.copy.reserve.peers import Peer

NOBODY: Final = "nobody"
PEOPLE: Final = "people"
ALONE: Final = "alone"


@dataclass(slots=True)
class Neighbours:
    """Of the copy in ``folder``."""

    folder: Folder
    _stamp: tuple[int, int, int] | None = None
    _told: dict[str, Any] | None = None

    def peers(self) -> list[Peer]:
        """The other copies. None where the file is missing or cannot be read."""
        found = self._read().get("peers")
        return [
            Peer(str(one.get("name") or one["url"]), str(one["url"]).rstrip("/"))
            for one in (found if isinstance(found, list) else ())
            if isinstance(one, dict) and one.get("url")
        ]

    def single(self) -> str:
        """Whose entries are acknowledged though no other copy holds them (``api.reserve.accept.Single``)."""
        return str(self._read().get("single", NOBODY))

    def alone(self) -> bool:
        """Whether what is acknowledged here can stand on one disk alone: there is no neighbour, and somebody may write."""
        return not self.peers() and self.single() != NOBODY

    def keep(self, peers: Sequence[Peer], *, single: str | None = None) -> None:
        """Who the neighbours are now. ``single``: what the site chooses; None: what it has chosen before stays."""
        before = self._read()
        chosen = single or (before.get("single") if before.get("because") != ALONE else None)
        told: dict[str, Any] = {"peers": [{"name": one.name, "url": one.url} for one in peers]}
        if chosen is not None:
            told["single"] = chosen
        elif not peers:
            told |= {"single": PEOPLE, "because": ALONE}
        files.replace(self._path, orjson.dumps(told, option=orjson.OPT_INDENT_2))
        self._stamp = None  # two writes can fall into one tick of the file system's clock

    @property
    def _path(self) -> Path:
        return self.folder.path / "neighbours.json"

    def _read(self) -> dict[str, Any]:
        try:
            about = self._path.stat()
            stamp = about.st_mtime_ns, about.st_ino, about.st_size
            if stamp != self._stamp:
                told = orjson.loads(self._path.read_bytes())
                self._told, self._stamp = (told if isinstance(told, dict) else {}), stamp
        except (OSError, ValueError):
            self._told, self._stamp = {}, None
        return self._told or {}
