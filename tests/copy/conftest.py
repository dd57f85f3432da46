"""The clients of tests in this folder are a copy's: the same tests as the journal's, from the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from bench.running import FULL
from tests.client import Api
from tests.conftest import Instance
from tests.copied import Copy, copied


@dataclass(frozen=True, slots=True)
class Copied(Instance):
    """A running Vaka whose clients ask a copy of it."""

    copy: Copy

    def client(self, token: str) -> Api:
        return self.copy.api(token)


@pytest.fixture(scope="session")
def copy(journal: Copied) -> Copy:
    return journal.copy


@pytest.fixture(scope="session")
def directly(copy: Copy) -> Instance:
    """The journal that is followed."""
    return copy.journal


@pytest.fixture(scope="session")
def journal(journal: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copied]:
    with copied(journal, tmp_path_factory.mktemp("copy")) as copy:
        yield Copied(journal.url, journal.data, copy)


@pytest.fixture(scope="session")
def client(journal: Copied) -> Iterator[Callable[..., Api]]:
    made: list[Api] = []

    def make(name: str, scopes: frozenset[str] = FULL, *, days: float = 1.0) -> Api:
        made.append(journal.client(journal.token(name, scopes, days=days)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def api(client: Callable[..., Api]) -> Api:
    return client("tests")


@pytest.fixture(scope="session")
def person(journal: Copied) -> Iterator[Callable[..., Api]]:
    made: list[Api] = []

    def make(**who: Any) -> Api:
        made.append(journal.client(journal.session(**who)))
        return made[-1]

    yield make
    for one in made:
        one.close()
