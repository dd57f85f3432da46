"""A ward snapshot on the machine that opens it: the file, and beside it the folder with its key, what was done here, and the log.

Invariants: a file that is here was whole when it got its name, and stays until a newer one is whole; a newer file, and nothing
else, corrects the highest time that was seen; once revoked, the file is taken away and no older one is used again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from vaka import log
from vaka.copy import engine, files, seed
from vaka.copy.apply import codec
from vaka.copy.clock import Highest
from vaka.copy.files import Folder
from vaka.copy.own import Own, now_us
from vaka.copy.reader import Reader
from vaka.copy.snapshot import about as facts
from vaka.copy.snapshot.about import About
from vaka.copy.snapshot.build import written
from vaka.copy.statements import statements
from vaka.errors import Setup

CLOCK: Final = "clock"
MADE: Final = "made"
REVOKED: Final = "revoked"
TAKEN: Final = "taken"


@dataclass(frozen=True, slots=True)
class Place:
    """``file``: the snapshot; ``folder``: of this machine, where another may have stood before; ``key``: of both."""

    file: Path
    folder: Folder
    key: bytes

    @classmethod
    def at(cls, file: Path, data: Path | None = None, key_file: Path | None = None) -> Place:
        """With a key of its own, made at the first time. Setup error where the key is another than before."""
        folder = Folder(data if data is not None else file.with_name(f"{file.name}.d"))
        folder.prepare()
        (folder.path / "log").mkdir(mode=0o700, exist_ok=True)
        return cls(file, folder, files.key(folder, key_file))

    def own(self) -> Own:
        """What was done on this machine. Nothing of it is told but the log."""
        return Own(engine.lasting(self.folder.own, self.key), owes=False)

    def open(self) -> apsw.Connection:
        """The file for reading. Setup error where it is missing, damaged, or of another key."""
        if not self.file.exists():
            raise Setup(
                f"there is no snapshot at {self.file}", help="make one with `vaka copy snapshot --unit … --to FILE`"
            )
        try:
            return engine.reader(self.file, self.key)
        except engine.WrongKey as error:
            raise Setup(
                f"{self.file} does not open with the key of {self.folder.path}",
                help="give the key that it was made with (--key-file), or it is damaged: fetch it anew",
            ) from error
        except engine.Damaged as error:
            raise damaged(self.file) from error

    def show_opened(self, connection: apsw.Connection) -> None:
        """Who reads on ``connection`` sees what was opened on this machine from then on, too."""
        sql = statements("snapshot")
        with engine.told(self.folder.own):
            connection.execute(sql["beside"], {"own": str(self.folder.own), "key": f"raw:{self.key.hex()}"})
            connection.execute(sql["opened_here"])

    def about(self, *, through: bool = False) -> About:
        """What the file is. ``through``: each of its pages is looked at. Setup error where it cannot be used at all."""
        connection = self.open()
        try:
            if through:
                engine.check(connection, self.file)
            return facts.about_of(connection)
        except (engine.Damaged, apsw.CorruptError, apsw.NotADBError, apsw.IOError) as error:
            raise damaged(self.file) from error
        finally:
            connection.close()

    def require_usable(self) -> About:
        """What the file is, each page looked at. Setup error where it cannot be used at all; Over where it may not be now."""
        about, own = self.about(through=True), self.own()
        clock = Clock(own)
        clock.notice(about)
        facts.require_usable(about, *clock.read(), own.seen().get(REVOKED))
        return about

    def require_free(self) -> None:
        """Setup error where something else has the file's name, which a snapshot would take the place of."""
        if not self.file.exists() or TAKEN in self.own().seen():
            return
        try:
            self.about()
        except Setup as error:
            raise Setup(
                f"{self.file} is there already, and is no snapshot of this machine",
                help="give another name with --to, or move that file away",
            ) from error

    def take(self, received: Path, sent_key: bytes) -> About:
        """Makes the file that was received the snapshot here. Setup error, Fault: it is not used, and the one before stays."""
        seed.take(received, sent_key, self.key)
        found = Place(received, self.folder, self.key).about()
        written(received)
        self.own().see(TAKEN, found.made_us)
        received.replace(self.file)
        written(self.file)
        log.info("snapshot taken", snapshot=found.id, unit=found.unit, patients=found.patients)
        return found

    def revoke(self, at_us: int) -> None:
        """Kept before the file goes: none that was made until then is opened here again."""
        self.own().see(REVOKED, at_us)
        self.file.unlink(missing_ok=True)
        log.warning("snapshot revoked", file=self.file.name)


def damaged(file: Path) -> Setup:
    return Setup(
        f"{file} is damaged", help="fetch it anew with `vaka copy snapshot`, or take the file from where it was made"
    )


class Clock:
    """The time here, and the highest that this machine has seen: before, and what has passed since, asleep too."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._highest = Highest(max(now_us(), own.seen().get(CLOCK, 0)))

    def read(self) -> tuple[int, int]:
        """(now, highest) in microseconds."""
        return now_us(), self._highest.passed_us

    def notice(self, about: About) -> None:
        """A file that was made later than all before it tells the copy's time: a clock that ran ahead here is over. An older one,
        brought back, tells nothing."""
        if about.made_us > self._own.seen().get(MADE, 0):
            self._own.see(MADE, about.made_us)
            self._own.see(CLOCK, about.made_us)
            self._highest.begin(about.made_us)

    def keep(self) -> None:
        """On disk. A clock that runs ahead counts too."""
        self._own.see(CLOCK, max(self.read()))


class Source:
    """The file as readers open it (``copy.readers.Source``): a newer one under its name is opened at the next question."""

    def __init__(self, place: Place, look_s: float) -> None:
        self._place, self._look_s = place, look_s
        self._known: tuple[int, int, int] = (0, 0, 0)
        self._number = 0
        self._looked_s = -look_s
        self.broken = 0
        """The number of the file that could not be read; 0: none."""

    def seed(self) -> int:
        now_s = time.monotonic()
        if now_s - self._looked_s >= self._look_s:
            self._looked_s = now_s
            try:
                stat = self._place.file.stat()
            except FileNotFoundError:
                return self._number
            found = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if found != self._known:
                self._known = found
                self._number += 1
        return self._number

    def open(self) -> Reader:
        number = self.seed()
        connection = self._place.open()
        try:
            facts.about_of(connection)
            self._place.show_opened(connection)
            return Reader(connection, codec(connection), number)
        except BaseException:
            connection.close()
            raise

    def damaged(self, seed: int, what: str) -> None:
        self.broken = seed
        log.error("the snapshot's file cannot be read", kind=what)
