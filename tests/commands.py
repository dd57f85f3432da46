"""``vaka`` commands for tests: each in a process of its own, without the second of a core that an interpreter takes to import it all.

One process beside pytest's has imported what commands use, and forks for each of them: arguments, environment, folder, standard
streams, process id and exit code are the command's own, as in a process that was started anew. It ends with pytest's. What is
tested as a start (``vaka up``, copies, Ctrl-C) is started in truth.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_USED = (
    "audit", "backup", "client", "copy", "dump", "keys", "load", "log", "log_carried", "peer", "person", "provider", "redact",
    "reserve", "reserve_told", "snapshot", "status", "token",
)  # fmt: skip
_MORE = ("httpx", "psycopg", "vaka.accesslog.ship", "vaka.accesslog.verify", "vaka.api.keyring", "vaka.journal.journal")

Done = subprocess.CompletedProcess[str]


def run(*arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 180) -> Done:
    """``vaka`` with these arguments, run to its end. TimeoutExpired: it was killed."""
    return _run(["vaka", *map(str, arguments)], None, env, timeout)


def program(code: str, *arguments: str | Path, timeout: float = 180) -> Done:
    """``python -c`` with this code, as ``run``."""
    return _run(["-c", *map(str, arguments)], code, None, timeout)


def _run(told: list[str], code: str | None, env: Mapping[str, str] | None, timeout: float) -> Done:
    with tempfile.TemporaryDirectory(prefix="vaka-command-") as folder, socket.socket(socket.AF_UNIX) as connection:
        out, err = Path(folder, "out"), Path(folder, "err")
        asked = {
            "arguments": told, "code": code, "env": dict(os.environ if env is None else env), "cwd": str(Path.cwd()), "out": str(out), "err": str(err),
        }  # fmt: skip
        connection.connect(_beside())
        connection.settimeout(timeout)
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answers = connection.makefile()
        pid = int(answers.readline())
        try:
            ended = int(answers.readline())
        except TimeoutError as late:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(told, timeout) from late
        return subprocess.CompletedProcess(told, ended, out.read_text(), err.read_text())


@cache
def _beside() -> str:
    """Where the process listens that forks: started when it is first needed."""
    folder = tempfile.TemporaryDirectory(prefix="vaka-commands-")
    at = f"{folder.name}/socket"
    process = subprocess.Popen([sys.executable, "-P", __file__, at], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    def end() -> None:
        process.kill()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    return at


def _next(at: str) -> dict[str, Any]:
    """Returns in the process that is to be the command. Whoever asked is told its id, and how it has ended."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(at)
        listening.listen()
        print("ready", flush=True)
        while True:
            came, _, _ = select.select([listening.fileno(), 0], [], [], 1.0)
            _reap()
            if 0 in came:  # pytest's process is gone
                sys.exit(0)
            if listening.fileno() not in came:
                continue
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                asked: dict[str, Any] = json.loads(connection.makefile().readline())
                pid = os.fork()
                if pid == 0:
                    connection.close()
                    return asked
                connection.sendall(f"{pid}\n".encode())
                connection.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
                os._exit(0)
            connection.close()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _become(asked: Mapping[str, Any]) -> None:
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY), (1, asked["out"], os.O_WRONLY | os.O_CREAT), (2, asked["err"], os.O_WRONLY | os.O_CREAT),
    ):  # fmt: skip
        opened = os.open(name, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv = asked["arguments"]


def _command(program: str | None) -> int:
    """Its exit code, once all that it leaves for its end is done."""
    from vaka.cli import main

    code: Any = 1
    try:
        if program is None:
            main()
        else:
            exec(program, {"__name__": "__main__"})
            code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    for name in (*_MORE, *(f"vaka.command.{one}" for one in _USED)):
        importlib.import_module(name)
    gc.freeze()
    wanted = _next(sys.argv[1])
    _become(wanted)
    os._exit(_command(wanted["code"]))  # taking apart all that was imported is the dearest part of an interpreter's end
