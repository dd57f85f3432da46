"""A second process that answers from a copy's folder, without decision and access log: the other side of ``bench.copy_access``.

Not a mode of Vaka: the log is taken out here, in this process, and nowhere else can it be.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.place import API_CORE, pin
from bench.running import free_port, ready
from bench.site import Site
from bench.unlogged import take_out

from vaka import assemble
from vaka.copy.files import Folder

START_MAX_S = 60.0
NUMBER = 9


@contextmanager
def without(site: Site, number: int = 1) -> Iterator[tuple[int, int]]:
    """The other process on the folder of copy ``number``: its port and its id."""
    port = free_port()
    command = [
        sys.executable,
        "-P",
        "-c",
        "import sys; sys.path.insert(0, '.'); from bench.unlogged_copy import main; main()",
    ]
    process = subprocess.Popen([*command, str(site.folder(number)), str(port)])  # nosec B603  our own command
    try:
        deadline = time.monotonic() + START_MAX_S
        while not ready(port):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the copy's process without a log did not become ready")
            time.sleep(0.1)
        pin(process.pid, API_CORE)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    take_out()
    directory = assemble.directory(sys.argv[1])
    copy = assemble.Copy(directory, Folder(directory.path).about().journal, port=int(sys.argv[2]))
    assemble.serve_copy(copy, NUMBER)


if __name__ == "__main__":
    main()
