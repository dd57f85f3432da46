"""`vaka status`: how the copies stand, at whose doors people ask."""

from __future__ import annotations

from pathlib import Path

from vaka.api.admission import Shared, Step
from vaka.api.admission.classes import READ, URGENT
from vaka.api.admission.door import Door, Others
from vaka.command import status
from vaka.copy.board import Board
from vaka.copy.files import Folder
from vaka.watch.directory import Directory


def test_a_copy_that_shows_less_says_so(tmp_path: Path) -> None:
    """Broken: everybody reads at the copies, and an overload of theirs is seen nowhere: the journal's door alone is told of."""
    (tmp_path / "copy.json").write_text("{}")
    board = Board(Folder(tmp_path).board, make=True)
    board.close()

    def told() -> status._Copy:
        return status._copies(Directory(tmp_path), None)["this copy"]

    assert told().admission["workers"] == 0
    assert "only" not in told().in_words()
    shared, door = Shared.open(tmp_path / "admission"), Door[None](0.0)
    door.shed[READ] = 7
    now = 0.0
    while door.step is not Step.CARD:
        now += 0.01
        if not door.urgent_waits:
            door.wait(URGENT, now, None)  # and nobody lets it in
        door._look(now, Others())
    shared.tell(door)
    assert told().admission["step"] == "card"
    assert told().admission["classes"]["read"]["shed"] == 7
    assert "too many ask at once: only the card is shown" in told().in_words()
    shared.close()
