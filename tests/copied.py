"""A copy in this process, for tests: it follows a running journal, and answers the same API from the same code.

Who asks gets the copy's own answer, and the journal's where the copy says OnlyJournal, as behind its front door. Before it answers,
it has applied all that clients of the tests have written.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

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
from vaka.copy import apply, engine, files, lines, private
from vaka.copy.reader import Reader
from vaka.copy.store import CopyStore
from vaka.errors import OnlyJournal, VakaError
from vaka.fhir.outcome import error_bytes

ANSWERED_BY: Final = "vaka-answered-by"
_READS: Final = frozenset({"GET", "HEAD"})


class Record:
    """The followed record in a file, applied line by line of the journal's feeds, and where readers find it."""

    def __init__(self, path: Path) -> None:
        self._path, self._key = path, os.urandom(files.KEY_BYTES)
        self.writer = engine.writer(path, self._key)
        self.writer.pragma("synchronous", "off")
        apply.make(self.writer)
        self._applier = apply.Applier(self.writer, path)

    def follow(self, api: Api) -> None:
        """Applies all that the journal has."""
        self._follow_private(api)
        while True:
            at = self._applier.at
            asked = feeding.asked(str(at.cursor), at.hash.hex()) if at.hash else {}
            answer = api.get(api.root + "/feed", params=asked)
            assert answer.status_code == 200, answer.text
            told = [lines.read(line) for line in answer.content.splitlines()]
            self._applier.apply(told)
            if not isinstance(told[-1], lines.Version):
                return

    def _follow_private(self, api: Api) -> None:
        while True:
            after = private.cursor_of(self.writer)
            answer = api.get(api.root + "/feed/private", params={"after": after} if after else {})
            assert answer.status_code == 200, answer.text
            told = answer.content.splitlines()
            private.apply(self.writer, told)
            if not told or "topic" not in orjson.loads(told[-1]):
                return

    def seed(self) -> int:
        return 1

    def open(self) -> Reader:
        connection = engine.reader(self._path, self._key)
        return Reader(connection, apply.codec(connection), 1)

    def damaged(self, seed: int, what: str) -> None:
        raise AssertionError(f"the copy's file was taken to be damaged: {what}")


class Copy:
    """A copy of ``journal``'s record. ``answered``: who answered how many reads; ``aged``: whether it has long not heard the journal;
    ``asked``: who asked last, and what was touched."""

    def __init__(self, journal: Instance, folder: Path, *, settings: Settings = CLOSED) -> None:
        self.journal, self.settings = journal, settings
        self.answered: Counter[str] = Counter()
        self.asked = AccessFilter("nobody")
        self.aged = False
        self.away = False
        self.record = Record(folder / "record.db")
        self.store = CopyStore(self.record, aged=lambda: self.aged)
        nothing = cast(Any, None)
        self.server = Server(
            self.store, None, nothing, Pages(Secret(journal.data, "page.key")), nothing, nothing, nothing, nothing, nothing, nothing,
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
        self.asked = access = self._access(request.headers["authorization"])
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
    headers.append((ANSWERED_BY, "copy"))
    if request.method == "HEAD":
        return httpx.Response(response.status, headers=[*headers, ("Content-Length", str(len(response.body)))])
    return httpx.Response(response.status, headers=headers, content=response.body)


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


def asked_of_a_copy(module: ModuleType, *, but: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The tests of ``module`` with their fixtures, for a module of tests/on_copy, where the clients are a copy's. ``but``: those that
    cannot be asked of it, and why."""
    left = but or {}
    assert all(hasattr(module, name) for name in left), left
    return {
        name: value
        for name, value in vars(module).items()
        if name not in left and (name.startswith("test_") or type(value).__name__ == "FixtureFunctionDefinition")
    }
