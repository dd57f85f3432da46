"""``vaka up`` as somebody types it: on a terminal, where Ctrl-C goes to every process in front."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from bench.running import command, free_port
from tests.recovery.running import READY_MAX_S, wait_until

from vaka.journal import cluster

CTRL_C = b"\x03"
STOPPED_MAX_S = 60.0


@dataclass
class Terminal:
    """A command with a terminal of its own. ``shown``: all that has appeared on it so far."""

    process: subprocess.Popen[bytes]
    end: int
    shown: str = field(default="")

    def read(self) -> str:
        with contextlib.suppress(BlockingIOError, OSError):  # OSError: nobody holds the other end any more
            while told := os.read(self.end, 65_536):
                self.shown += told.decode(errors="replace")
        return self.shown

    def type(self, keys: bytes) -> None:
        os.write(self.end, keys)

    def ended(self) -> int:
        """The exit code, waited for."""
        wait_until(lambda: (self.read(), self.process.poll() is not None)[1], "the command ends", STOPPED_MAX_S)
        self.read()
        return self.process.returncode


@contextlib.contextmanager
def typed(*arguments: str | Path) -> Iterator[Terminal]:
    """The command on a terminal, in a session of its own."""
    end, other = pty.openpty()
    os.set_blocking(end, False)
    process = subprocess.Popen(
        command(*arguments), stdin=other, stdout=other, stderr=other, start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(other), os.O_RDWR)),  # noqa: PLW1509  makes it the session's terminal
    )  # fmt: skip
    os.close(other)
    made = Terminal(process, end)
    try:
        yield made
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOPPED_MAX_S)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        os.close(end)


def living(data: Path) -> list[int]:
    """Processes that have ``data`` among their arguments, and PostgreSQL's there."""
    named = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(data) in (process.info["cmdline"] or ()) and process.status() != psutil.STATUS_ZOMBIE
    ]
    return [*named, *(cluster.at(data / "pg").leftovers() if (data / "pg").exists() else ())]


def test_one_line_when_ready_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    """Broken: nobody sees that it is ready, or Ctrl-C leaves stacks on the terminal, or processes behind."""
    port = free_port()
    with typed("up", "--copies=0", "--data", tmp_path / "d", "--port", str(port)) as terminal:
        wait_until(lambda: "\n" in terminal.read(), "a line")
        line = rf"Vaka is ready at http://127\.0\.0\.1:{port} after \d+\.\d s \(data in {tmp_path}/d; Ctrl-C stops it\)"
        assert re.fullmatch(line, terminal.shown.strip()), terminal.shown
        terminal.type(CTRL_C)
        assert terminal.ended() == 0
        assert terminal.shown.replace("^C", "").strip().count("\n") == 0, terminal.shown
    wait_until(lambda: not living(tmp_path / "d"), "nothing is left")
    done = subprocess.run(
        [cluster.at(tmp_path / "d" / "pg").programs.program("pg_controldata"), tmp_path / "d" / "pg"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "shut down\n" in done.stdout


@pytest.mark.parametrize(
    "begun", [
        pytest.param(".", marks=pytest.mark.slow), "pg/PG_VERSION", pytest.param("pg/postmaster.pid", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_ctrl_c_before_it_is_ready(tmp_path: Path, begun: str) -> None:
    """Broken: who changes their mind while it starts gets a stack, half a cluster, or a process that goes on."""
    data = tmp_path / "d"
    with typed("up", "--copies=0", "--data", data, "--port", str(free_port())) as terminal:
        wait_until((data / begun).exists, "it has begun")
        terminal.type(CTRL_C)
        assert terminal.ended() in (0, 130, -signal.SIGINT)  # to a shell the last two are one
        assert "Traceback" not in terminal.shown
    wait_until(lambda: not living(data), "nothing is left")
    with typed("up", "--copies=0", "--data", data, "--port", str(free_port())) as terminal:
        wait_until(lambda: "Vaka is ready" in terminal.read(), "the next start", READY_MAX_S)


@pytest.mark.parametrize(
    ("how", "after_s"), [("Ctrl-C", 0.5), pytest.param("SIGTERM", 3.0, marks=pytest.mark.slow)]
)  # while workers start; while they load
def test_a_demo_that_is_stopped_while_it_is_filled_goes_on(tmp_path: Path, how: str, after_s: float) -> None:
    """Broken: who stops the first try has to wait, sees stacks, or has half a region for ever."""
    data = tmp_path / "d"
    with typed("up", "--copies=0", "--demo", "--data", data, "--port", str(free_port())) as terminal:
        wait_until(lambda: "demo region" in terminal.read() and (data / "run" / "demo.ndjson.zst").exists(), "the fill")
        time.sleep(after_s)
        if how == "Ctrl-C":
            terminal.type(CTRL_C)
        else:
            terminal.process.send_signal(signal.SIGTERM)
        assert terminal.ended() == 0
        assert "Traceback" not in terminal.shown, terminal.shown
        assert "resources/s" in terminal.shown, "the bar"
    wait_until(lambda: not living(data), "nothing is left")
    assert (data / "run" / "demo.ndjson.zst").exists()
    with typed("up", "--copies=0", "--demo", "--data", data, "--port", str(free_port())) as terminal:
        wait_until(lambda: "Filling the record" in terminal.read(), "it goes on")
