"""A real listener, application and door before work of a known size: ``python -m tests.api.overloaded DIR PORT``.

Each answer costs WORK_S of the core's own time, so that capacity does not depend on what else this machine does. ``Bearer pN`` is
person N, ``Bearer lab`` a program; a person is shown the patient that the address names.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import uvloop
from tests.unit.api.admission.callers import person_filter, program, session

from vaka.access.trail import Touched
from vaka.api.accesses import Address
from vaka.api.admission import Admission, Shared
from vaka.api.app import Application
from vaka.api.front import Front
from vaka.api.health import health
from vaka.api.http import Request, Response
from vaka.api.listen import Listeners
from vaka.api.request_log import RequestLog
from vaka.api.wire import Wire

WORK_S: Final = 0.004


class Working(Application):
    """Answers by work alone; keeps no access log."""

    def __init__(self, server: Any) -> None:
        super().__init__(server, RequestLog(None))
        self._people: dict[str, Any] = {}

    async def _answer(self, request: Request) -> Response:
        if request.path == ("health",):
            return health(self.server)
        name = (request.header("authorization") or "").removeprefix("Bearer ")
        if name == "lab":
            request.access = program()
        elif name:
            one = self._people.setdefault(name, session(name))
            request.access = person_filter(one)
            request.access.trail.touched.append(Touched("Patient", 7, 1, 7, 1))
        began = time.thread_time()
        while time.thread_time() - began < WORK_S:
            pass
        await asyncio.sleep(0)
        return Response(200, b"{}")

    async def _logged(
        self, scope: Any, address: Address, request: Request | None, response: Response, refusal: Any
    ) -> Response:
        del scope, address, request, refusal
        return response


async def main(folder: Path, port: int) -> None:
    admission = Admission(Shared.open(folder / "admission"))
    admission.start()
    server = SimpleNamespace(log=SimpleNamespace(under_way=0), wire=Front(), door=None, admission=admission)
    listeners = Listeners(Wire(), "127.0.0.1", port, folder, lambda front: Working(cast("Any", server)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, listeners.stop)
    await listeners.serve()
    admission.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
