"""Who this door has seen proven: callers by the header that they sent, and which patients their sessions have open.

Invariants: a header gets in here only after the application has verified it, and goes when it is refused; a patient is open to a
session only after it was shown that patient; nobody has more urgent requests than a person makes. What is not in here costs
importance, never an answer. Each worker knows its own.
"""

from __future__ import annotations

from typing import Final

from vaka import config
from vaka.api.admission import classes
from vaka.api.admission.classes import EXEMPT, LOGIN, READ, URGENT
from vaka.api.cookies import SAFE
from vaka.api.http import Request

_COUNTED_S: Final = 10.0
_PATIENTS_MAX: Final = 100
_OTHERWISE: Final = frozenset({"Patient", "AuditEvent"})


class Caller:
    """Who was proven by a header. ``person``: a session's, else a program or a stranger; ``open_until``: of the patient that was
    asked for last."""

    __slots__ = ("counted_until", "open_until", "patients", "person", "urgent")

    def __init__(self, *, person: bool) -> None:
        self.person = person
        self.patients: dict[str, float] = {}
        self.open_until = 0.0
        self.urgent, self.counted_until = 0, 0.0

    def shown(self, patient: str | None, now: float) -> None:
        """A patient was shown to this session; None: through one resource, whose patient the address does not name."""
        self.open_until = now + config.OPEN_PATIENT_S
        if patient is not None:
            if len(self.patients) >= _PATIENTS_MAX:
                self.patients = {of: until for of, until in self.patients.items() if until > now}
                if len(self.patients) >= _PATIENTS_MAX:
                    self.patients.clear()
            self.patients[patient] = self.open_until

    def counts(self, now: float) -> bool:
        """Counts an urgent request; False where they are more than a person's."""
        if now > self.counted_until:
            self.urgent, self.counted_until = 0, now + _COUNTED_S
        self.urgent += 1
        return self.urgent <= config.OPEN_PATIENT_REQUESTS_MAX


_PROGRAM: Final = Caller(person=False)
_STRANGER: Final = Caller(person=False)


class Known:
    """All that this door knows."""

    def __init__(self, most: int = config.ADMISSION_KNOWN_MAX) -> None:
        self._most = most
        self._callers: dict[str, Caller] = {}
        self._sessions: dict[str, Caller] = {}

    def class_of(self, request: Request, now: float) -> int:
        """The class of a request, EXEMPT where it never waits."""
        path, headers = request.path, request.headers
        caller = self._callers.get(request.proof, _STRANGER)
        if caller.person and len(path) == 3 and path[0] == "fhir" and request.method == "GET":  # most requests
            type_ = path[1]
            if type_ not in _OTHERWISE and path[2][:1] not in ("$", "_", "") and "sec-purpose" not in headers:
                if caller.open_until > now and caller.counts(now):
                    caller.open_until = now + config.OPEN_PATIENT_S
                    return URGENT
                return READ
        if classes.is_exempt(path):
            return EXEMPT
        if caller.person:
            return self._of_person(request, caller, now)
        if caller is _PROGRAM:
            return classes.of_program(request)
        return LOGIN

    def _of_person(self, request: Request, caller: Caller, now: float) -> int:
        patient = classes.patient_of(request.path, request.query)
        if patient is None:
            is_open = classes.reads_one(request.path) and caller.open_until > now
        elif is_open := caller.patients.get(patient, 0.0) > now:
            caller.shown(patient, now)
        class_ = classes.of_person(request, patient, is_open=is_open)
        return READ if class_ == URGENT and request.method in SAFE and not caller.counts(now) else class_

    def class_again(self, proof: str, patient: str, now: float) -> int | None:
        """The class of a person who reads again of ``patient``; None for who is not known by ``proof``."""
        caller = self._callers.get(proof)
        if caller is None or not caller.person:
            return None
        if caller.patients.get(patient, 0.0) > now:
            caller.patients[patient] = caller.open_until = now + config.OPEN_PATIENT_S
            return URGENT if caller.counts(now) else READ
        return READ

    def shown_again(self, proof: str, patient: str, now: float) -> None:
        caller = self._callers.get(proof)
        if caller is not None:
            caller.shown(patient, now)

    def learn(self, request: Request, path: tuple[str, ...], status: int, now: float) -> None:
        """What an answer has shown: who asks, and which patient that is shown. ``path``: of the address as it came."""
        key = request.proof
        access = request.access
        if status == 401:
            self._callers.pop(key, None)
            return
        if access.session is None:
            if access.scopes and key and key not in self._callers:
                self._put(key, _PROGRAM)
            return
        caller = self._callers.get(key)
        if caller is None or not caller.person:
            caller = self._sessions.get(access.session.id) or Caller(person=True)
            self._sessions[access.session.id] = caller
            self._put(key, caller)
        trail = access.trail
        if status >= 400 or not (trail.touched or trail.patient is not None):
            return
        patient = classes.patient_of(path, request.query)
        if patient is not None or classes.reads_one(path):
            caller.shown(patient, now)

    def _put(self, key: str, caller: Caller) -> None:
        if len(self._callers) >= self._most:  # those that came first are the likeliest to have gone
            for old in list(self._callers)[: self._most // 4]:
                del self._callers[old]
            living = set(map(id, self._callers.values()))
            self._sessions = {of: one for of, one in self._sessions.items() if id(one) in living}
        self._callers[key] = caller
