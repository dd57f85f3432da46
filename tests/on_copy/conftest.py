"""The clients of tests in this folder are a copy's: the same tests as the journal's, from the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.client import Api
from tests.conftest import Instance, people, programs
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


# A fixture of the folder above is made once for all folders, with the first one's journal: here are others of the same names.


@pytest.fixture(scope="session")
def client(journal: Copied) -> Iterator[Callable[..., Api]]:
    yield from programs(journal)


@pytest.fixture(scope="session")
def api(client: Callable[..., Api]) -> Api:
    return client("tests")


@pytest.fixture(scope="session")
def person(journal: Copied) -> Iterator[Callable[..., Api]]:
    yield from people(journal)
