"""Clients that know two copies: each asks one, and the other, once, where that does not answer 200 within a second."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final, Self

from bench.probe import answer_to

PAUSE_S: Final = 0.02
TIMEOUT_S: Final = 1.0


class Clients:
    """They read while the block runs. ``answers``: reads; ``retried``: those that the other copy answered; ``failed``: why those
    that neither answered were not."""

    def __init__(self, ports: Sequence[int], requests: Sequence[bytes], count: int) -> None:
        self._ports, self._requests = ports, requests
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        self.answers, self.retried = 0, 0
        self.failed: list[str] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        known = [self._ports[(number + n) % len(self._ports)] for n in range(2)]
        connections: dict[int, socket.socket] = {}
        while not self._stop.is_set():
            asked = random.choice(self._requests)
            first = self._ask(connections, known[0], asked)
            why = self._ask(connections, known[1], asked) if first is not None else None
            with self._lock:
                self.answers += why is None
                self.retried += first is not None and why is None
                if first is not None and why is not None:
                    self.failed.append(f"{first}, then {why}")
            time.sleep(PAUSE_S)

    def _ask(self, connections: dict[int, socket.socket], port: int, asked: bytes) -> str | None:
        """None where it was answered; else why not."""
        try:
            if port not in connections:
                connections[port] = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
            connection = connections[port]
            connection.settimeout(TIMEOUT_S)
            status = answer_to(connection, asked)
            return None if status == 200 else str(status)
        except OSError as error:
            if (broken := connections.pop(port, None)) is not None:
                broken.close()
            return type(error).__name__
