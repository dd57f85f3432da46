"""The supervisor's decision, from every state a part can be in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vaka.watch.decide import BACKOFF_MAX_S, HEAD_START_MAX_S, PartState, Verb, backoff_s, decide

DATABASE = PartState("postgres")
API = PartState("journal", needs=("postgres",), silent_max_s=15.0)
WAL = PartState("wal", needs=("postgres",), essential=False, lingers=True)


def running(part: PartState, **changes: object) -> PartState:
    return replace(replace(part, process="running", ready=True, was_ready=True), **changes)  # type: ignore[arg-type]


def exited(part: PartState, **changes: object) -> PartState:
    return replace(replace(part, process="exited", exit_code=1, deaths=1), **changes)  # type: ignore[arg-type]


def verb(*parts: PartState, stopping: bool = False) -> tuple[Verb, str | None]:
    action = decide(parts, stopping=stopping)
    assert action.reason
    return action.verb, action.part


def test_starts_in_order() -> None:
    """Broken: the API is started where the database is not."""
    assert verb(DATABASE, API) == (Verb.START, "postgres")
    assert verb(running(DATABASE, ready=False), API) == (Verb.START, "journal")


def test_what_answers_goes_ahead_of_what_may_wait() -> None:
    """Broken: the follower takes the processor from a first answer; or it starts the later, the longer nothing answers."""
    serve, follow = PartState("serve-1"), PartState("follow", after="serve-1", essential=False)
    starting = running(serve, ready=False, was_ready=False)
    assert verb(serve, follow) == (Verb.START, "serve-1")
    assert verb(starting, follow) == (Verb.WAIT, None)
    assert verb(replace(starting, since_s=HEAD_START_MAX_S), follow) == (Verb.START, "follow")
    assert verb(running(serve), follow) == (Verb.START, "follow")
    assert verb(exited(serve, deaths=2), follow) == (Verb.START, "follow"), "it cannot start, and waits"
    assert verb(starting, exited(follow)) == (Verb.START, "follow"), "it ran already"
    assert verb(running(serve, ready=False), follow) == (Verb.START, "follow"), "it was ready once"


def test_waits_when_all_is_well() -> None:
    """Broken: the supervisor acts on a healthy Vaka."""
    assert verb(running(DATABASE), running(API), running(WAL)) == (Verb.WAIT, None)


@pytest.mark.parametrize("since_s", [0.0, 5.0])
def test_restarts_at_once_after_a_first_death(since_s: float) -> None:
    """Broken: a part that died stays away."""
    assert verb(running(DATABASE), exited(API, was_ready=True, since_s=since_s)) == (Verb.START, "journal")
    assert verb(exited(DATABASE, was_ready=True), running(API)) == (Verb.START, "postgres")


def test_waits_longer_after_each_death() -> None:
    """Broken: a part that cannot live takes the machine with it."""
    dead = exited(API, was_ready=True)
    assert verb(running(DATABASE), replace(dead, deaths=5, since_s=backoff_s(5) - 0.01)) == (Verb.WAIT, None)
    assert verb(running(DATABASE), replace(dead, deaths=5, since_s=backoff_s(5))) == (Verb.START, "journal")
    waits = [backoff_s(deaths) for deaths in range(40)]
    assert waits == sorted(waits)
    assert waits[1] == 0.0
    assert waits[-1] == BACKOFF_MAX_S


def test_does_not_start_what_lacks_its_need() -> None:
    """Broken: the API is restarted again and again while the database waits."""
    waiting = exited(DATABASE, was_ready=True, since_s=0.0)
    assert verb(replace(waiting, deaths=9), exited(API, was_ready=True, since_s=60.0)) == (Verb.WAIT, None)


def test_gives_up_where_only_a_person_can_help() -> None:
    """Broken: a newer schema is answered with endless restarts."""
    assert verb(running(DATABASE), exited(API, exit_code=1)) == (Verb.START, "journal")
    assert verb(running(DATABASE), exited(API, exit_code=78)) == (Verb.GIVE_UP, "journal")


def test_gives_up_after_several_deaths_before_ready() -> None:
    """Broken: a start that cannot succeed never says so."""
    assert verb(replace(exited(DATABASE), deaths=2, since_s=99.0), API) == (Verb.START, "postgres")
    assert verb(replace(exited(DATABASE), deaths=3), API) == (Verb.GIVE_UP, "postgres")


def test_never_gives_up_once_it_was_ready_or_is_not_essential() -> None:
    """Broken: Vaka stops because a backup fails, or ends itself in the middle of a day."""
    assert verb(running(DATABASE), replace(exited(API, was_ready=True, since_s=99.0), deaths=9))[0] is Verb.START
    dead = replace(exited(WAL, since_s=99.0), exit_code=78, deaths=9)
    assert verb(running(DATABASE), running(API), dead) == (Verb.START, "wal")


def test_forces_a_silent_part_once() -> None:
    """Broken: a frozen API stays, or is signalled again and again while its evidence is taken."""
    silent = running(API, silent_s=15.1)
    assert verb(running(DATABASE), silent) == (Verb.FORCE, "journal")
    assert verb(running(DATABASE), replace(silent, forced=True)) == (Verb.WAIT, None)


def test_never_forces_what_is_starting() -> None:
    """Broken: a long recovery or migration is killed and begins again, for ever."""
    starting = replace(DATABASE, process="running", since_s=3600.0, silent_s=3600.0, silent_max_s=15.0)
    assert verb(starting, running(API)) == (Verb.WAIT, None)


def test_stops_from_the_outside_in() -> None:
    """Broken: the database goes while the API still answers, or the last WAL is not received."""
    parts = [running(DATABASE), running(API), running(WAL)]
    assert verb(*parts, stopping=True) == (Verb.ASK, "journal")
    parts[1] = replace(parts[1], asked_s=1.0)
    assert verb(*parts, stopping=True) == (Verb.WAIT, None)
    parts[1] = replace(API, process="exited", exit_code=0)
    assert verb(*parts, stopping=True) == (Verb.ASK, "postgres")
    parts[0] = replace(parts[0], asked_s=1.0)
    assert verb(*parts, stopping=True) == (Verb.WAIT, None)
    parts[0] = replace(DATABASE, process="exited", exit_code=0)
    assert verb(*parts, stopping=True) == (Verb.ASK, "wal")
    parts[2] = replace(WAL, process="exited", exit_code=1)
    assert verb(*parts, stopping=True) == (Verb.FINISH, None)


def test_forces_what_does_not_stop() -> None:
    """Broken: Ctrl-C hangs on a part that does not listen."""
    deaf = running(API, asked_s=30.1)
    assert verb(running(DATABASE), deaf, stopping=True) == (Verb.FORCE, "journal")
    assert verb(running(DATABASE), replace(deaf, forced=True), stopping=True) == (Verb.WAIT, None)


def test_starts_nothing_while_stopping() -> None:
    """Broken: a part that died during the stop comes back."""
    assert verb(DATABASE, API, WAL, stopping=True) == (Verb.FINISH, None)
    assert verb(exited(DATABASE), exited(API), stopping=True) == (Verb.FINISH, None)
