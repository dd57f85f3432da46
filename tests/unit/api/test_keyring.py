"""Keys that change while others use them: what was signed before, what is signed after, what is void."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vaka.access.session import Assignment, Session
from vaka.api import secrets
from vaka.api.keyring import Keyring
from vaka.api.secrets import Secret, renew
from vaka.api.sessions import Sessions
from vaka.api.tokens import Tokens
from vaka.errors import Invalid, Setup, Unauthenticated


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is looked for at every use, not once a second."""
    monkeypatch.setattr(secrets, "LOOK_EVERY_S", 0.0)


def session() -> Session:
    now = time.time_ns() // 1_000
    return Session("0" * 32, "SE-1", "p1", "Anna", Assignment("a", "u", "v"), now, now + 600_000_000, "demo")


def test_a_key_that_was_forgotten_voids_what_was_verified_before(tmp_path: Path) -> None:
    """Broken: a process goes on taking what a stolen key signed, because it has seen it before."""
    tokens, sessions = Tokens(Keyring(tmp_path, "token")), Sessions(Keyring(tmp_path, "session"))
    token, cookie = f"Bearer {tokens.make('x', scopes=frozenset({'feed'}))}", sessions.make(session())
    for name in ("token", "session"):
        other = Keyring(tmp_path, name)  # another process
        before = other.kid
        other.rotate()
        assert name != "token" or tokens.verify(token).principal == "x"
        assert sessions.verify(cookie).person == "SE-1"
        assert other.forget(before)
        assert not other.forget(before)
    with pytest.raises(Unauthenticated):
        tokens.verify(token)
    with pytest.raises(Unauthenticated):
        sessions.verify(cookie)
    assert tokens.verify(f"Bearer {tokens.make('x', scopes=frozenset({'feed'}))}")
    assert sessions.verify(sessions.make(session()))


def test_what_is_signed_after_a_change_is_signed_with_the_new_key(tmp_path: Path) -> None:
    """Broken: a running process signs with the old key until it is started again."""
    ring, other = Keyring(tmp_path, "token"), Keyring(tmp_path, "token")
    made = other.rotate()
    assert ring.signing()[0] == made
    assert ring.kids()[0] == made
    assert len(ring.kids()) == 2


def test_a_secret_that_was_renewed(tmp_path: Path) -> None:
    """Broken: a running process goes on with a secret that was replaced, or finds half of one."""
    one = Secret(tmp_path, "page.key")
    before = one()
    assert one() == before
    renew(tmp_path, "page.key")
    assert len(one()) == 32
    assert one() != before
    assert (tmp_path / "secret" / "page.key").stat().st_mode & 0o777 == 0o600


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """Broken: a key that others can read, or half of one, is used."""
    Keyring(tmp_path, "token").rotate()
    old = next((tmp_path / "secret").glob("token.*.old"))
    old.chmod(0o644)
    with pytest.raises(Setup):
        Keyring(tmp_path, "token")
    old.chmod(0o600)
    old.write_bytes(b"short")
    with pytest.raises(Setup):
        Keyring(tmp_path, "token")


@pytest.mark.parametrize("name", ["", "client:lab", "vaka:load", "x" * 65, "a\nb"])
def test_names_that_are_somebody_elses(tmp_path: Path, name: str) -> None:
    """Broken: a token of the operator's passes for a registered program's, or for Vaka itself."""
    with pytest.raises(Invalid):
        Tokens(Keyring(tmp_path, "token")).make(name, scopes=frozenset({"feed"}))


def test_a_program_that_nobody_has_registered(tmp_path: Path) -> None:
    """Broken: a process that knows no register takes programs' tokens."""
    from datetime import UTC, datetime

    from vaka.journal.clients import Client

    tokens = Tokens(Keyring(tmp_path, "token"))
    made = tokens.for_client(Client(1, "lab", {}, "system/*.*", None, datetime.now(UTC)), "system/*.*")
    with pytest.raises(Unauthenticated):
        tokens.verify(f"Bearer {made}")


def test_what_was_signed_here_is_known_as_others_verify_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: each login verifies what it has just signed; or this process takes a session that all others refuse."""
    monkeypatch.setattr(secrets, "LOOK_EVERY_S", 60.0)
    sessions = Sessions(Keyring(tmp_path, "session"))
    made = sessions.make(session())
    elsewhere = Sessions(Keyring(tmp_path, "session")).verify(made)
    refused = Sessions(Keyring(tmp_path, "session"))
    monkeypatch.setattr(refused._keys, "public", lambda _: None)  # as of a copy that was shut out
    void = refused.make(session())
    with pytest.raises(Unauthenticated):
        refused.verify(void)
    monkeypatch.setattr("vaka.api.sessions.jwt.decode", None)
    assert sessions.verify(made) == elsewhere


def test_a_change_of_keys_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    """Would break: a kill between the two steps of a rotation, and the key can never be changed again."""
    keys = Keyring(tmp_path, "session")
    made, old = Sessions(keys).make(session()), keys.kid
    folder = tmp_path / "secret"
    (folder / f"session.{old}.old").hardlink_to(folder / "session.key")
    assert keys.rotate() != old
    assert Sessions(Keyring(tmp_path, "session")).verify(made).person == "SE-1"
    assert keys.kids() == [keys.kid, old]


def test_what_anybody_sends_is_not_remembered_at_any_length() -> None:
    """Would break: a stranger fills memory with long headers, each kept in case it comes again."""
    from vaka.api import callers, sessions

    callers._found_in.cache_clear()
    sessions._says_so.cache_clear()
    for number in range(50):
        assert callers._session_in(f"Bearer {number}{'x' * 100_000}") is None
        assert not sessions.is_session(f"{number}{'x' * 100_000}")
    assert callers._found_in.cache_info().currsize == 0
    assert sessions._says_so.cache_info().currsize == 0
