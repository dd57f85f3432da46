"""The kinds of error that Vaka knows.

Each kind carries its FHIR issue code (https://hl7.org/fhir/R4/valueset-issue-type.html), its HTTP status and
its process exit code. An error names the thing it is about and, where somebody can do something, says what in
``help``; ``why`` is for the access log alone, where the caller must not learn it. Code raises;
only the entry points (``api.app`` and ``cli``) turn an error into text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: ``code`` is a FHIR issue type, ``path`` a FHIRPath expression such as ``Patient.name[0]``."""

    severity: Severity
    code: str
    message: str
    path: str | None = None


class VakaError(Exception):
    """Base of all errors that are told to a caller."""

    code: ClassVar[str] = "exception"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        message: str,
        *,
        help: str | None = None,
        path: str | None = None,
        issues: Sequence[Issue] = (),
        why: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.why = why
        self.issues: tuple[Issue, ...] = tuple(issues) or (Issue("error", self.code, message, path),)


class Invalid(VakaError):
    """The input breaks a rule of the specification or of this server: 400."""

    code, status, exit_code = "invalid", 400, 65


class Unprocessable(Invalid):
    """Well-formed, but not acceptable as a resource: 422 (https://hl7.org/fhir/R4/http.html#create)."""

    code, status = "invariant", 422


class TooLarge(Invalid):
    """Over a named limit of config.py: 413."""

    code, status = "too-long", 413


class Unauthenticated(VakaError):
    """No valid token: 401. ``challenge``: the WWW-Authenticate header (RFC 6750)."""

    code, status, exit_code = "login", 401, 77
    challenge: ClassVar[str] = 'Bearer realm="vaka"'


class Forbidden(VakaError):
    """Told to the caller as ``not found`` wherever existence is itself information: 403."""

    code, status, exit_code = "forbidden", 403, 77


class NotFound(VakaError):
    code, status, exit_code = "not-found", 404, 66


class NotAllowed(VakaError):
    """The interaction exists, but not here: 405."""

    code, status, exit_code = "not-supported", 405, 64


class Gone(VakaError):
    """Deleted; ``version`` is the version that deleted it: 410."""

    code, status, exit_code = "deleted", 410, 66

    def __init__(self, message: str, *, version: str | None = None, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.version = version


class Conflict(VakaError):
    """The record has moved on: 409."""

    code, status, exit_code = "conflict", 409, 75


class PreconditionFailed(Conflict):
    """If-Match or a conditional interaction did not hold: 412."""

    status = 412


class Busy(VakaError):
    """Over capacity now; ``retry_after_s`` says when to come back: 503 (429 is for one caller's own limit)."""

    code, status, exit_code = "throttled", 503, 75

    def __init__(self, message: str, *, retry_after_s: int = 1, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.retry_after_s = retry_after_s


class Unavailable(Busy):
    """A part that is needed is away; nothing was acknowledged: 503."""

    code = "transient"


class OnlyJournal(Unavailable):
    """A copy was asked for what only the journal can do: its front door passes the request on."""


class BegunElsewhere(OnlyJournal):
    """A login that was begun at another copy, or at the journal, came here to be ended."""


class OutOfScope(OnlyJournal):
    """A copy that holds some units' patients was asked for what it cannot know (decision 0015). Said alike of whoever is not
    among them and of what is not there: nothing is told by it."""

    def __init__(self, units: Sequence[str]) -> None:
        named = ", ".join(units)
        super().__init__(
            f"this copy holds the patients of {named} only, and cannot tell about others", retry_after_s=5,
            help="the journal answers it: /fhir/Patient/[id]/$everything is the whole record. Sheets and lists of other units "
            "are at a copy that holds the region or that unit",
        )  # fmt: skip


class NotPassed(Unavailable):
    """A copy's front door could not pass a request on: the journal does not answer. Nothing was shown or written here."""


class Fault(VakaError):
    """A fault of ours: 500. Its text never holds clinical content."""

    code, status, exit_code = "exception", 500, 70


class Setup(VakaError):
    """A command cannot start in this place (port in use, wrong directory, newer schema): exit 78."""

    code, status, exit_code = "exception", 500, 78
