"""A copy in this process, for tests: it follows a running journal, and answers the same API from the same code.

Who asks gets the copy's own answer, and the journal's where the copy says OnlyJournal, as behind its front door. Before it answers,
it has applied all that clients of the tests have written.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import apsw
import httpx
import jwt
import orjson
from tests import feeding
from tests.client import Api
from tests.conftest import Instance

from vaka.access.filter import AccessFilter, program_filter
from vaka.access.settings import CLOSED, Settings
from vaka.api.http import Request, Response, parse_query_string
from vaka.api.keyring import Keyring
from vaka.api.pages import Pages
from vaka.api.routes import dispatch
from vaka.api.secrets import Secret
from vaka.api.server import Server
from vaka.api.sessions import Sessions, is_session
from vaka.copy import private
from vaka.copy.reader import Reader
from vaka.copy.store import CopyStore
from vaka.errors import OnlyJournal, VakaError
from vaka.fhir.outcome import error_bytes
from vaka.store.codec import Codec, packaged_dictionary

ANSWERED_BY: Final = "vaka-answered-by"
_READS: Final = frozenset({"GET", "HEAD"})


class Record:
    """The followed record in a file, and where readers find it."""

    def __init__(self, path: Path) -> None:
        import sys
        sys.path.insert(0, "/tmp/read")
        import interim
        self._apply = interim.apply
        self._path = path
        self.writer = apsw.Connection(str(path))
        self.writer.execute("PRAGMA journal_mode = wal; PRAGMA synchronous = off")
        interim.create(self.writer)
        self._after: str | None = None
        self._hash: str | None = None

    def follow(self, api: Api) -> None:
        """Applies all that the journal has."""
        after = private.cursor_of(self.writer)
        while True:
            parameters = {"after": after} if after else {}
            answer = api.get(api.root + "/feed/private", params=parameters)
            assert answer.status_code == 200, answer.text
            lines = answer.content.splitlines()
            after = private.apply(self.writer, lines)
            if not lines or "topic" not in orjson.loads(lines[-1]):
                break
        while True:
            answer = api.get(api.root + "/feed", params=feeding.asked(self._after, self._hash))
            assert answer.status_code == 200, answer.text
            lines = answer.content.splitlines()
            self._apply(self.writer, lines)
            last = orjson.loads(lines[-1])
            told = [found for line in lines if "hash" in (found := orjson.loads(line))]
            if told:
                self._after, self._hash = told[-1]["cursor"], told[-1]["hash"]
            if "hash" not in last:
                return

    def seed(self) -> int:
        return 1

    def open(self) -> Reader:
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        return Reader(connection, Codec({1: packaged_dictionary()}), 1)

    def damaged(self, seed: int, what: str) -> None:
        raise AssertionError(f"the copy's file was taken to be damaged: {what}")


class Copy:
    """A copy of ``journal``'s record. ``answered``: who answered how many reads; ``aged``: whether it has long not heard the journal."""

    def __init__(self, journal: Instance, folder: Path, *, settings: Settings = CLOSED) -> None:
        self.journal, self.settings = journal, settings
        self.answered: Counter[str] = Counter()
        self.aged = False
        self.away = False
        self.record = Record(folder / "record.db")
        self.store = CopyStore(self.record, aged=lambda: self.aged)
        nothing = cast(Any, None)
        self.server = Server(
            self.store, None, nothing, Pages(Secret(journal.data, "page.key")), nothing, nothing, nothing, nothing, nothing,
            settings=settings,
        )  # fmt: skip
        self._sessions = Sessions(Keyring(journal.data, "session"))
        self._feed = Api(journal.url, journal.token("copy", frozenset({"system/*.*", "feed", "feed-private"})))
        self._followed = -1
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._one = threading.Lock()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self.store.close()
        self._feed.close()

    def follow(self) -> None:
        """Applies what the journal has, if a client of the tests has written since the last time."""
        with self._one:
            written = Api.written
            if written != self._followed:
                self.record.follow(self._feed)
                self._followed = written

    def api(self, token: str | None) -> Api:
        """A client of this copy."""
        return Api(self.journal.url, token, transport=_Transport(self))

    async def answer(self, request: httpx.Request) -> Response:
        """The copy's own answer."""
        access = self._access(request.headers["authorization"])
        path = tuple(request.url.path.removeprefix("/fhir").strip("/").split("/"))
        query = parse_query_string(request.url.query.decode()) if request.url.query else []
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, path, query, headers, f"{self.journal.url}/fhir", request.content, access)
        return await dispatch(self.server, asked)

    def _access(self, authorization: str) -> AccessFilter:
        token = authorization.partition(" ")[2]
        if is_session(token):
            session = self._sessions.verify(token)
            return AccessFilter(f"person:{session.person}", session=session, settings=self.settings)
        claims = jwt.decode(token, options={"verify_signature": False})
        return program_filter(str(claims["sub"]), str(claims["scope"]), claims.get("provider"))

    def run(self, request: httpx.Request) -> Response:
        return asyncio.run_coroutine_threadsafe(self.answer(request), self._loop).result()


class _Transport(httpx.HTTPTransport):
    """The copy's front door: what it can answer it answers, the rest goes to the journal."""

    def __init__(self, copy: Copy) -> None:
        super().__init__()
        self._copy = copy

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        reads = request.method in _READS or path.endswith(("/_search", "/$everything"))
        if not path.startswith("/fhir/") or not reads or "authorization" not in request.headers:
            return super().handle_request(request)
        request.read()
        self._copy.follow()
        try:
            response = self._copy.run(request)
        except OnlyJournal as error:
            self._copy.answered["journal"] += 1
            return _refused(error) if self._copy.away else super().handle_request(request)
        except VakaError as error:
            self._copy.answered["copy"] += 1
            return _refused(error)
        self._copy.answered["copy"] += 1
        return _sent(request, response)


def _sent(request: httpx.Request, response: Response) -> httpx.Response:
    """As the application sends it."""
    headers = [("Content-Type", response.content_type), ("Cache-Control", "private"), *response.headers]
    body = b"" if request.method == "HEAD" else response.body
    return httpx.Response(response.status, headers=[*headers, (ANSWERED_BY, "copy")], content=body)


def _refused(error: VakaError) -> httpx.Response:
    headers = {"Content-Type": "application/fhir+json", ANSWERED_BY: "copy"}
    version = getattr(error, "version", None)
    if version is not None:
        headers["ETag"] = f'W/"{version}"'
    return httpx.Response(error.status, headers=headers, content=error_bytes(error))


@contextmanager
def copied(journal: Instance, folder: Path, *, settings: Settings = CLOSED) -> Iterator[Copy]:
    """A copy that has caught up."""
    copy = Copy(journal, folder, settings=settings)
    try:
        copy.follow()
        yield copy
    finally:
        copy.close()




def asked_of_a_copy(module: ModuleType) -> dict[str, Any]:
    """The tests of ``module`` with their fixtures, for a module of tests/copy, where the clients are a copy's."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.startswith("test_") or type(value).__name__ == "FixtureFunctionDefinition"
    }
