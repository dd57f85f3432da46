"""What a copy of some units' patients can answer, asked before it does (decision 0015).

Invariant: a file that holds the region answers all; one that does not says OutOfScope of all that could be otherwise in the whole
record: who is not among its patients, or not whole yet, and what can lead to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import apsw
import orjson

from vaka.copy.scope import Scope
from vaka.copy.statements import statements
from vaka.errors import OutOfScope
from vaka.fhir.compartments import of_nobody
from vaka.fhir.criteria import All, Chain, Criterion, Has, Not, Query, Unprotected
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.keys import resource_key
from vaka.store.aliases import Aliases

if TYPE_CHECKING:
    from vaka.copy.reader import Reader


def scope_of(connection: apsw.Connection) -> Scope | None:
    """What a record.db says that it holds; None: the region."""
    found: Any = connection.execute(statements("scope")["fact"]).get
    return Scope.of(found) if found is not None else None


def require_patients(reader: Reader, keys: Iterable[int]) -> None:
    """OutOfScope unless all of these patients (by key) are held whole."""
    if reader.scope is None:
        return
    asked = orjson.dumps(list(keys)).decode()
    if reader.rows(statements("scope")["not_whole"], {"keys": asked})[0][0]:
        raise OutOfScope(reader.scope.named)


def require_searchable(reader: Reader, query: Query, aliases: Aliases) -> None:
    """OutOfScope where the whole record could have other matches."""
    if reader.scope is None:
        return
    if not _stays(query.where):
        raise OutOfScope(reader.scope.named)
    if query.partial or of_nobody().issuperset(query.types):
        return
    if not query.within:
        raise OutOfScope(reader.scope.named)
    ids = {one for id_ in query.within for one in aliases.together(id_)}
    require_patients(reader, [resource_key("Patient", id_) for id_ in ids])


def require_there(reader: Reader, references: Sequence[tuple[str, str]]) -> None:
    """OutOfScope where one of what is referred to may be another patient's, and does not stand here."""
    if reader.scope is None:
        return
    keys = {resource_key(*one) for one in references if one[0] not in of_nobody()}
    asked = {"keys": orjson.dumps(list(keys)).decode()}
    if keys and reader.rows(statements("scope")["standing"], asked)[0][0] < len(keys):
        raise OutOfScope(reader.scope.named)


def require_region(reader: Reader) -> None:
    """OutOfScope for what leads to whomever it may be."""
    if reader.scope is not None:
        raise OutOfScope(reader.scope.named)


def require_whole(reader: Reader, type_: str) -> None:
    """OutOfScope unless all resources of this type are held."""
    if type_ not in of_nobody():
        require_region(reader)


def require_unit(reader: Reader, unit: str) -> None:
    """OutOfScope for the lists of another unit (an Organization id)."""
    if reader.scope is not None and unit not in reader.scope.units:
        raise OutOfScope(reader.scope.named)


def taking(reader: Reader) -> int:
    """How many patients are being taken in: of this copy's units, and not shown yet."""
    return int(reader.rows(statements("scope")["taking"], {})[0][0]) if reader.scope is not None else 0


def _stays(where: Criterion) -> bool:
    """Whether what is asked can be told without looking at resources of other patients."""
    match where:
        case All(parts) | AnyOf(parts):
            return all(_stays(part) for part in parts)
        case Not(part) | Unprotected(part):
            return _stays(part)
        case Chain(types=types, inner=inner):
            return of_nobody().issuperset(types) and _stays(inner)
        case Has():
            return False
    return True
