"""Which page answers which address: here what a copy has too, in ``web.journal_routes`` the rest. Errors are pages too."""

from __future__ import annotations

from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import Busy, Forbidden, Invalid, NotAllowed, NotFound, Unauthenticated, VakaError
from vaka.web import entry, home, login, numbers, opening, ward
from vaka.web.entry import LoginFailed
from vaka.web.front import has as has  # noqa: PLC0414  of api.app.Web, like those here
from vaka.web.pages.message import MessagePage
from vaka.web.render import page, redirect, spoken
from vaka.web.static_files import static
from vaka.web.texts import N_
from vaka.web.ways import demo, passkey

_AT_THE_JOURNAL = frozenset({"code", "enrol", "passkeys", "sessions", "passphrase", "strength", "service", "callback"})
FOR_PROGRAMS = N_("This address is for programs. What people read is on the pages here.")


async def dispatch(server: Server, request: Request) -> Response:
    """Answers a request for a page. NotFound for an address that is none, NotAllowed for a method that it does not have."""
    try:
        return await _dispatch(server, request)
    except entry.NotLoggedIn as error:
        request.access.trail.reason = error.why or request.access.trail.reason
        return await login.show(server, request, problem=error.message, status=error.status, next_=error.next)
    except LoginFailed as error:
        entry.failed(request, error)
        if request.path[:2] == ("login", "enrol"):
            from vaka.web.ways import enrol

            return enrol.begin(server, request, problem=error.message, person=error.person, status=error.status)
        return await login.show(server, request, problem=error.message, person=error.person, status=error.status)
    except (Invalid, Forbidden) as error:  # a form of another site, a page that is not ours: tried on purpose
        if error.why is not None:
            request.access.trail.activity = request.access.trail.activity or "page-refused"
        raise


async def _at_the_journal(server: Server, request: Request, method: str) -> Response:
    """What only the journal has. OnlyJournal on a copy, which has no PostgreSQL client to import it with (decision 0013)."""
    _ = server.journal
    from vaka.web.journal_routes import answer

    return await answer(server, request, method)


async def _dispatch(server: Server, request: Request) -> Response:
    method = "GET" if request.method == "HEAD" else request.method
    match (method, *request.path):
        case ("GET", ""):
            return await (home.home if server.prints is None else ward.show)(server, request)
        case ("GET", "static", name):
            return static(request, name)
        case ("GET", "login"):
            return await login.show(server, request)
        case ("POST", "login", "passkey", "challenge"):
            return passkey.again(server, request)
        case ("POST", "login", "passkey"):
            return await passkey.log_in(server, request)
        case ("GET", "numbers"):
            return await numbers.show(server, request)
        case ("POST", "numbers"):
            return await numbers.ask(server, request)
        case ("POST", "numbers", "visit"):
            return await numbers.visit(server, request)
        case ("POST", "") if server.prints is not None:
            return await ward.find(server, request)
        case ("POST", "print"):
            return await ward.begin(server, request)
        case ("GET", "print", id_):
            return await ward.progress(server, request, id_)
        case ("GET", "print", id_, number):
            return await ward.part(server, request, id_, number)
        case ("GET", "open", id_) if server.prints is not None:
            return await opening.show(server, request, id_)
        case ("POST", "open", id_) if server.prints is not None:
            return await opening.open_(server, request, id_)
        case ("POST", "login", "demo"):
            return redirect(await demo.log_in(server, request))
        case ("GET", "assignment"):
            return await home.choices(server, request)
        case ("POST", "assignment"):
            return await home.choose(server, request)
        case ("POST", "logout"):
            return await home.log_out(server, request)
        case (_, "login", name, *_) if name in _AT_THE_JOURNAL:
            return await _at_the_journal(server, request, method)
        case (_, "log", *_):
            return await _at_the_journal(server, request, method)
        case (_, "" | "login" | "assignment" | "logout" | "static" | "print" | "numbers" | "open", *rest) if (
            len(rest) <= 2
        ):
            raise NotAllowed("this page cannot be used in this way")
    raise NotFound("there is no such page")


_HEADINGS = {
    400: N_("This could not be understood"), 403: N_("This was refused"), 404: N_("There is no such page"),
    405: N_("This page cannot be used in this way"), 410: N_("This is over"), 413: N_("This is too much"),
    503: N_("This is not possible now"),
}  # fmt: skip


# What the parts below the pages say, told here so that it is translated.
_FROM_BELOW = (
    N_("this was sent from another site, and nothing was done"),
    N_("the page that this was sent from is too old, and nothing was done"),
    N_("open the page again, and do it once more"),
    N_("the page to go to after the login is not one of ours"),
    N_("there is no such page"),
    N_("only the journal can do this"),
    N_("only the journal can end this"),
    N_("try again when the journal can be reached"),
    N_("too many are logging in at this moment"),
    N_("a token never goes into an address"),
    N_("send it in the Authorization header"),
    N_("this needs the right to the access log"),
    N_("this event is of another provider"),
    N_("there is no such event in the access log"),
    N_("a verdict is one of justified, unclear, unjustified"),
    N_("say in words what was found"),
    N_("the access log cannot be written, and what is read or changed must be logged"),
    N_("this page cannot be used in this way"),
    N_("this is not in the ward snapshot"),
    N_("what is not here is asked by telephone, and written on the printed forms"),
    N_("nothing is written in a ward snapshot"),
    N_("this ward snapshot was revoked"),
    N_("ask the region's operator why; paper forms are on the ward"),
    N_("this ward snapshot has expired"),
    N_("a newer one is fetched as soon as a copy can be reached"),
    N_("this machine's clock is behind what it has seen already"),
    N_("set the clock right; until then nothing can say how old the snapshot is"),
    N_("the ward snapshot is damaged"),
    N_("it is fetched anew as soon as a copy can be reached"),
    N_("too many ask at once, and what is more urgent goes first"),
    N_("ask again in a moment"),
    N_("either identifiers or unknown"),
    N_("say what is known of the person, or that nothing is"),
    N_("a reserve number needs two identifiers"),
    N_("for example name and date of birth; or say that the person is unknown"),
    N_("this copy has no numbers to give: the journal has not been heard since it was made"),
    N_("use the paper series of the unit, and enter it afterwards"),
    N_("nothing of it was taken: keep what you have written, and send it again in a moment"),
)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def refused(request: Request, error: VakaError, path: tuple[str, ...]) -> Response:
    """The page that tells an error; nothing of a fault's inside. ``path``: of the address as it came."""
    heading = _HEADINGS.get(error.status, N_("This did not succeed"))
    to = "/login" if isinstance(error, Unauthenticated) or path[0] == "login" else "/"
    told = spoken(request)
    message, help_ = (error.message, error.help or "") if has(path) else (FOR_PROGRAMS, "")
    shown = MessagePage(told(heading), _sentence(told(message)), _sentence(told(help_)) if help_ else "", to)
    answer = page(request, shown, status=error.status)
    if isinstance(error, Busy):
        answer.headers.append(("Retry-After", str(error.retry_after_s)))
    return answer
