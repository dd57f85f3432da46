"""Passphrases: what is taken, and how it is kept."""

from __future__ import annotations

import asyncio
import time

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from vaka import config
from vaka.api.passphrases import Passphrases, easy
from vaka.errors import Busy
from vaka.web.ways.enrol import fault_of

HSA = "TSTVAKA0001-P001"
KEY = b"k" * 32


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
    assert (fault_of(HSA, passphrase, passphrase) is None) is taken


@pytest.mark.parametrize(
    ("passphrase", "easy_"),
    [
        ("password1234", True), ("iloveyou1234567", True), ("P@ssw0rd2026!!", True), ("qwertyuiop123", True),
        ("Lösenord2026!", True), ("Välkommen2026!", True), ("sommar2024!!", True), ("hemligt hemligt", True),
        ("Avdelning31!!", True), ("Tove Testsson 1", True), ("abcdefgh" * 16, True),
        ("korrekt häst batteri klammer", False), ("hästar äter 🥕 om natten", False), ("k7$qLz9!pR2x", False),
        ("bara små bokstäver utan siffror", False), ("en lång mening som är lätt att minnas", False),
    ],
)  # fmt: skip
def test_what_many_use_is_easy_and_what_is_long_and_ones_own_is_not(passphrase: str, easy_: bool) -> None:
    """Broken: leaked and common ones are taken (ASVS 2.1.7), in English or Swedish; or good ones are refused."""
    assert easy(passphrase, [HSA, "Tove Testsson"]) is easy_


def test_looking_for_an_easy_one_takes_little_time() -> None:
    """Broken: a passphrase made for it keeps a core busy for seconds."""
    hostile = ["a4@b8c([{<g69i1!|l7s$5t+x%z2" * 4, "4@" * 64, "1q" * 64, "å" * 128, "🙂" * 128]
    easy("first, so that the lists are read", [])
    began = time.process_time()
    for one in hostile:
        easy(one, [HSA])
    assert time.process_time() - began < 2.0


def test_one_passphrase_however_a_keyboard_composes_it() -> None:
    """Broken: a passphrase with å that was chosen on one computer is wrong on another."""

    async def work() -> None:
        keeper = Passphrases(KEY)
        assert await keeper.verify(await keeper.hash("sma\u030a ha\u0308star"), "små hästar")

    asyncio.run(work())


def test_kept_by_argon2id_with_a_salt_of_its_own() -> None:
    """Broken: who has the table has the passphrases (ASVS 2.4.1, 2.4.2)."""

    async def work() -> None:
        keeper = Passphrases(KEY)
        first, second = [await keeper.hash("hästar äter 🥕 om natten") for _ in range(2)]
        assert first != second
        assert first.startswith("p1$argon2id$v=19$m=65536,t=3,")
        assert len(first.split("$")[4]) >= 22  # 128 bits of salt
        assert await keeper.verify(first, "hästar äter 🥕 om natten")
        assert not await keeper.verify(first, "hästar äter 🥕 om natte")
        assert not await keeper.verify(first, "hastar ater 🥕 om natten")
        assert not await keeper.verify(None, "nobody has this passphrase")
        assert not await keeper.verify("damaged", "x")

    asyncio.run(work())


def test_a_hash_is_no_use_without_the_key_that_lies_elsewhere() -> None:
    """Broken: who has copied the table tries guesses on their own machines (ASVS 2.4.5); or hashes of before, which had no
    pepper, let nobody in, or are never made anew."""

    async def work() -> None:
        keeper, elsewhere = Passphrases(KEY), Passphrases(b"o" * 32)
        kept = await keeper.hash("fyra grå kråkor")
        assert not keeper.outdated(kept)
        assert await keeper.verify(kept, "fyra grå kråkor")
        assert not await elsewhere.verify(kept, "fyra grå kråkor")
        with pytest.raises(VerificationError):
            PasswordHasher().verify(kept.removeprefix("p1"), "fyra grå kråkor")
        of_before = PasswordHasher().hash("fyra grå kråkor")
        assert keeper.outdated(of_before)
        assert await keeper.verify(of_before, "fyra grå kråkor")
        assert not await keeper.verify(of_before, "fyra gra krakor")

    asyncio.run(work())


def test_a_meter_lets_logins_go_first() -> None:
    """Broken: somebody who types a new passphrase, or many who do, keep others from logging in."""

    async def work() -> None:
        keeper = Passphrases(KEY)
        logins = [asyncio.ensure_future(keeper.verify(None, "guess")) for _ in range(config.PASSPHRASE_CHECKS_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await keeper.strength("fyra grå kråkor", [])
        await asyncio.gather(*logins)
        assert await keeper.strength("fyra grå kråkor på ett tak", []) > config.PASSPHRASE_MIN_GUESSES_LOG10

    asyncio.run(work())


def test_no_more_wait_than_there_is_room_for() -> None:
    """Broken: guesses fill memory and cores, and nobody else is served."""

    async def work() -> None:
        keeper = Passphrases(KEY)
        many = config.PASSPHRASE_CHECKS_WAITING + 5
        done = await asyncio.gather(*(keeper.verify(None, "guess") for _ in range(many)), return_exceptions=True)
        assert sum(isinstance(one, Busy) for one in done) == 5
        assert done.count(False) == config.PASSPHRASE_CHECKS_WAITING

    asyncio.run(work())
