"""What is read from when a copy starts, before anybody follows.

Invariants: a board of an earlier boot of the machine is cleared before any process looks at it, so that nothing on it passes for
fresh; what was in use is read from all the same, unless the lease of its key has ended.
"""

from __future__ import annotations

from vaka.copy.board import Board, Field
from vaka.copy.files import Folder
from vaka.copy.lease import Lease


def begin(folder: Folder, key: bytes) -> None:
    """Makes the board of this boot. While nothing of this copy runs: the follower writes it from then on."""
    board = Board(folder.board, make=True)
    if not board[Field.SEED] and Lease(folder.lease, key).holds:
        board[Field.SEED] = folder.current() or 0
    board.close()
