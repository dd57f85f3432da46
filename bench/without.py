"""The API process without decision and access log beside a journal, for figures that compare with it (``bench.unlogged``)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from bench.place import API_CORE, Place, pin
from bench.running import free_port

START_MAX_S = 60.0


@contextmanager
def without(place: Place) -> Iterator[int]:
    """The other API process; its port."""
    port = free_port()
    command = [
        sys.executable,
        "-P",
        "-c",
        "import sys; sys.path.insert(0, '.'); from bench.unlogged import main; main()",
    ]
    environment = {**os.environ, "VAKA_DATABASE": place.dsn}
    process = subprocess.Popen([*command, str(place.data), str(port)], env=environment)
    try:
        deadline = time.monotonic() + START_MAX_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise RuntimeError("the process without a log did not become ready")
        if (os.cpu_count() or 1) > 1:
            pin(process.pid, API_CORE)
        yield port
    finally:
        process.terminate()
        process.wait(30)
