"""What every process gets: here, a Ctrl-C that is not lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from vaka import process
from vaka.watch.part import Part
from vaka.watch.supervisor import Supervisor


class _Something:
    """What a weak reference can be of."""


def _interrupt_in_a_callback() -> None:
    """As it happens in an import, whose locks are let go by the callback of a weak reference."""
    something = _Something()
    reference = weakref.ref(something, lambda _: signal.raise_signal(signal.SIGINT))
    del something
    assert reference() is None


def test_an_interrupt_that_python_drops_is_remembered(capfd: pytest.CaptureFixture[str]) -> None:
    """Broken: once in a while Vaka goes on after a Ctrl-C, with a stack on the terminal."""
    before = signal.getsignal(signal.SIGINT)
    with process.Interrupt() as interrupt:
        assert not interrupt.heard
        _interrupt_in_a_callback()
        assert interrupt.heard
    assert "Traceback" not in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_any_other_interrupts_as_ever() -> None:
    """Broken: Ctrl-C does not end what takes long before anything is started."""
    with process.Interrupt() as interrupt:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupt.heard


def test_what_must_not_be_left_half_made_is_not_interrupted() -> None:
    """Broken: a Ctrl-C while the loop of the supervisor is made leaves stacks on the terminal."""
    with process.Interrupt() as interrupt:
        interrupt.only_hear()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.heard


def test_a_supervisor_that_was_interrupted_before_it_began_starts_nothing(tmp_path: Path) -> None:
    """Broken: as the first; the signal was there before the supervisor could hear it."""

    async def ready() -> bool:
        return True

    part = Part("nothing", "test", ["/bin/false"], ready)
    supervisor = Supervisor(
        [part], log_folder=tmp_path, status_path=tmp_path / "status.json", dsn=None, url="", law={},
        on_ready=lambda _: pytest.fail("it was started"),
    )  # fmt: skip
    with process.Interrupt() as interrupt:
        _interrupt_in_a_callback()
        asyncio.run(asyncio.wait_for(supervisor.run(time.monotonic(), interrupt), 10))
    assert not (tmp_path / "nothing.stderr").exists()


@pytest.mark.parametrize(
    ("libc", "given", "asks"),
    [
        ("glibc 2.36", "always [madvise] never\n", True),
        ("glibc 2.40", "[always] madvise never\n", True),
        ("glibc 2.36", "always madvise [never]\n", False),
        ("glibc 2.36", None, False),
        ("glibc 2.31", "always [madvise] never\n", False),
        (None, "always [madvise] never\n", False),
    ],
)
def test_huge_pages_are_asked_for_where_there_are_any(
    libc: str | None, given: str | None, asks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: where there are none, what serves runs with a slower malloc for nothing; or what an operator has set is passed over."""
    monkeypatch.setattr(os, "confstr", lambda _: libc)
    monkeypatch.setattr(process, "_GIVEN", tmp_path / "enabled")
    if given is not None:
        (tmp_path / "enabled").write_text(given)
    for name in process._HUGE_PAGES:
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    assert process.environment() == (before | process._HUGE_PAGES if asks else before)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert process.environment() == before | {"GLIBC_TUNABLES": "glibc.malloc.check=1"}


_SURVIVORS = """
import gc, sys
from vaka import process
class Ring:
    def __init__(self): self.me = self
process.settle_memory()
process.survivors.stay()
kept, counted = [], []
gc.callbacks.append(lambda phase, about: counted.append((about["generation"], len(gc.get_objects()))) if phase == "start" else None)
while process.survivors._looks < process._LOOKS_IDLE:
    kept.append([Ring()])
assert max(generation for generation, _ in counted) == 1, "nobody waits while all is looked through"
assert max(most for _, most in counted) < 8 * process._YOUNG, "nor while what has stayed is"
assert len(kept) > 10 * process._YOUNG
before = gc.get_freeze_count()
process.survivors.look_through(idle=False)
assert gc.get_freeze_count() >= before, "somebody asks"
kept.clear()
process.survivors.look_through()
assert counted[-1][0] == 2
assert gc.get_freeze_count() < before - 10 * process._YOUNG, "rings that had stayed are let go"
looked = len(counted)
process.survivors.look_through()
assert len(counted) == looked, "it is not worth it yet"
"""


def test_nobody_waits_while_all_of_the_memory_is_looked_through() -> None:
    """Broken: a journal with many callers stands still for half a second each minute; or what refers to itself is never let go."""
    done = subprocess.run([sys.executable, "-c", _SURVIVORS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
