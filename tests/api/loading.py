"""How tests run ``vaka load``: as its users do, in a process of its own."""

from __future__ import annotations

import gzip
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import zstandard
from tests import commands
from tests.client import Resource
from tests.conftest import Instance

MAX_S = 120.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load said. ``counts``: as ``--json`` gives them; ``refused``: the lines of ``--report``."""

    code: int
    counts: dict[str, Any]
    refused: list[dict[str, Any]]
    errors: str


@dataclass(frozen=True, slots=True)
class Way:
    """A way in: ``local`` into the data directory, ``remote`` over HTTP."""

    name: str
    journal: Instance
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        if self.name == "local":
            return ["--data", str(self.journal.data)]
        return ["--url", self.journal.url + "/fhir"]

    def command(self, *paths: Path | str, workers: int = 2) -> list[str]:
        return [sys.executable, "-m", "vaka.cli", *self.told(*paths, workers=workers)]

    def told(self, *paths: Path | str, workers: int = 2) -> list[str]:
        return ["load", *map(str, paths), *self.arguments(), "--workers", str(workers), "--json"]

    def env(self) -> dict[str, str]:
        return {**os.environ, "VAKA_TOKEN": self.journal.token("loader")}

    def load(self, *paths: Path | str, workers: int = 2) -> Loaded:
        report = self.folder / f"{uuid.uuid4()}.report"
        done = commands.run(*self.told(*paths, workers=workers), "--report", report, env=self.env())
        counts = orjson.loads(done.stdout) if done.stdout.strip() else {}
        lines = report.read_bytes().splitlines() if report.exists() else []
        return Loaded(done.returncode, counts, [orjson.loads(line) for line in lines], done.stderr)

    def write(self, name: str, resources: Sequence[Resource | bytes]) -> Path:
        """An NDJSON file; ``.gz`` and ``.zst`` are packed."""
        lines = [one if isinstance(one, bytes) else orjson.dumps(one) for one in resources]
        return self.file(name, b"\n".join(lines) + b"\n")

    def bundle(self, name: str, type_: str, *entries: Resource) -> Path:
        body = {"resourceType": "Bundle", "type": type_, "entry": list(entries)}
        return self.file(name, orjson.dumps(body, option=orjson.OPT_INDENT_2))

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        if name.endswith(".gz"):
            content = gzip.compress(content)
        elif name.endswith(".zst"):
            content = zstandard.compress(content)
        path.write_bytes(content)
        return path
