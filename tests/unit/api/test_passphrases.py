"""Passphrases: what is taken, and how it is kept."""

from __future__ import annotations

import asyncio

import pytest

from vaka import config
from vaka.api.passphrases import Passphrases
from vaka.errors import Busy
from vaka.web.ways.enrol import _fault

HSA = "TSTVAKA0001-P001"


@pytest.mark.parametrize(
    ("passphrase", "taken"),
    [
        ("elva tecken", False),  # 11
        ("tolv tecken!", True),
        ("hästar äter 🥕 om natten", True),
        ("   blanka    tecken   ", True),
        ("abcdefgh" * 16, True),  # 128
        ("abcdefgh" * 16 + "i", False),
        ("aaaaaaaaaaaaaaaabbbb", False),
        (f"min kod är {HSA.lower()}", False),
        ("bara små bokstäver utan siffror", True),
    ],
)
def test_length_counts_and_composition_does_not(passphrase: str, taken: bool) -> None:
    """Broken: a short passphrase is taken, a long or unusual one refused, or capitals and digits are demanded (ASVS 2.1)."""
    assert (_fault(HSA, passphrase, passphrase) is None) is taken


def test_kept_by_argon2id_with_a_salt_of_its_own() -> None:
    """Broken: who has the table has the passphrases (ASVS 2.4.1, 2.4.2)."""

    async def work() -> None:
        keeper = Passphrases()
        first, second = [await keeper.hash("hästar äter 🥕 om natten") for _ in range(2)]
        assert first != second
        assert first.startswith("$argon2id$v=19$m=65536,t=3,")
        assert len(first.split("$")[4]) >= 22  # 128 bits of salt
        assert await keeper.verify(first, "hästar äter 🥕 om natten")
        assert not await keeper.verify(first, "hästar äter 🥕 om natte")
        assert not await keeper.verify(first, "hastar ater 🥕 om natten")
        assert not await keeper.verify(None, "nobody has this passphrase")
        assert not await keeper.verify("damaged", "x")

    asyncio.run(work())


def test_no_more_wait_than_there_is_room_for() -> None:
    """Broken: guesses fill memory and cores, and nobody else is served."""

    async def work() -> None:
        keeper = Passphrases()
        many = config.PASSPHRASE_CHECKS_WAITING + 5
        done = await asyncio.gather(*(keeper.verify(None, "guess") for _ in range(many)), return_exceptions=True)
        assert sum(isinstance(one, Busy) for one in done) == 5
        assert done.count(False) == config.PASSPHRASE_CHECKS_WAITING

    asyncio.run(work())
