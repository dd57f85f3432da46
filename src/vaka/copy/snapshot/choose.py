"""What of a copy's record goes into the snapshot of one unit: read at one moment, decided by the rules of access.

Invariants
- The patients are those who are here, and who come until tomorrow's end; with them those whose records were merged with theirs.
- Of their information goes along what somebody at the unit may read now by the rules (``access.decision``): the unit's own, and
  what its staff has open; of hypersensitivity and alerts also what an emergency opening would open, and shows to nobody before
  (decision 0024). Of all else there is the kind alone, so that what is withheld is not read as "none" (S3, S21).
- Of a protected identity neither address, nor contacts, nor other units' whereabouts (S24): the Patient is masked, and what
  other units wrote stays, whoever has it open.
- Beside patients: the unit's staff, and what the chosen entries name. Keys, secrets and other people's sessions never.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import orjson

from vaka import __version__, config
from vaka.access.decision import Information, Opening, Standing, What, decision
from vaka.access.masking import masked
from vaka.access.rules import Outcome
from vaka.access.session import Assignment, Purpose, Right, Session
from vaka.access.settings import Settings
from vaka.copy import held, listed
from vaka.copy.put import Row
from vaka.copy.reader import Reader
from vaka.copy.sheet.deciding import standing_of
from vaka.copy.sheet.kept import name_of
from vaka.copy.sheet.sections import OPENED_ALONE
from vaka.copy.statements import statements
from vaka.errors import NotFound, TooLarge, Unavailable
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import reference_key, resource_key

_PATIENT: Final = type_number("Patient")
_RELATED: Final = type_number("RelatedPerson")
_ROLE: Final = type_number("PractitionerRole")
_NAMED: Final = re.compile(
    rb'"reference":"((?:Organization|Location|Practitioner|PractitionerRole|HealthcareService|Medication|Device)/[A-Za-z0-9.-]{1,64})"'
)
"""What an entry may name that is no patient's."""
_UNRELATED: Final = frozenset({"A2-none", "A3-none", "A4-none"})
"""Rules that deny only while there is no care relation: an emergency opening, or a visit that begins, ends that."""
_DEPTH_MAX: Final = 4
_NOBODYS: Final = -2_000_000_000
"""In the place of the owner of a protected Patient: who registered it may be the clinic around the corner (S24)."""
_HSA: Final = "urn:oid:1.2.752.129.2.1.4.1"
_COPIED: Final = (
    "care_relation", "block", "consent", "protected", "opening", "alias", "passkey", "copy_key", "dictionary",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """``rows``: resources; ``tables``: rows of other tables by name, as ``put_`` statements take them; ``withheld``: (patient,
    kind)."""

    unit: str
    unit_name: str
    provider: str
    as_of_us: int
    epoch: int
    patients: Sequence[int]
    rows: Sequence[Row]
    owners: Sequence[Sequence[Any]]
    aside: Sequence[Sequence[Any]]
    withheld: Sequence[tuple[int, str]]
    tables: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)

    @property
    def people(self) -> frozenset[int]:
        """The patients, as a set."""
        return frozenset(self.patients)


def choose(reader: Reader, named: str, settings: Settings, now_us: int, *, aged: bool = False) -> Chosen:
    """All that the snapshot of the unit ``named`` (an HSA-id, or an Organization id) holds, of one moment. ``aged``: as
    ``access.rules.rules``. NotFound where there is no such unit; Unavailable where this copy does not know enough."""
    with reader.moment(config.SNAPSHOT_READ_S):
        return _Choice(reader, settings, now_us, aged=aged).run(named)


class _Choice:
    """Of one moment of one copy."""

    def __init__(self, reader: Reader, settings: Settings, now_us: int, *, aged: bool) -> None:
        self._reader, self._settings, self._now, self._aged = reader, settings, now_us, aged
        self._sql = statements("snapshot")
        self._standing = statements("sheet")["standing"]
        self._rows: dict[int, Row] = {}
        self._withheld: set[tuple[int, str]] = set()
        self._others: set[str] = set()

    def run(self, named: str) -> Chosen:
        reader, now = self._reader, self._now
        cursor = reader.rows(statements("apply")["cursor"], {})[0]
        if not cursor[6]:
            raise Unavailable("this copy is catching up itself", help="ask another one, or again in a moment")
        unit = listed.unit_of(reader, named)
        if unit is None:
            raise NotFound(f"there is no unit {named[:60]}", help="an HSA-id, or the id of an Organization")
        held.require_unit(reader, unit)
        above = self._above(unit)
        provider = above[-1] if above else unit
        patients = self._patients(unit)
        who = Session(
            "", "", "", "", Assignment("", unit, provider, Purpose.CARE, frozenset({Right.READ})), 0, 2**62, "snapshot"
        )
        for patient in patients:
            self._of_patient(who, patient)
        self._directory(unit, above)
        keys = orjson.dumps(sorted({row.owner for row in self._rows.values()})).decode()
        people = orjson.dumps(sorted(self._staff_numbers(unit))).decode()
        values = {
            "patients": orjson.dumps(patients).decode(), "unit": unit, "provider": provider, "now": now, "people": people,
        }  # fmt: skip
        owners = [*reader.rows(self._sql["get_owner"], {"keys": keys})]
        if any(row.owner == _NOBODYS for row in self._rows.values()):
            owners.append((_NOBODYS, None, provider, "person", None, "vaka:snapshot"))
        known = {row[0] for row in owners}
        aside = [row for row in reader.rows(self._sql["aside"], values) if row[6] is None or row[6] in known]
        return Chosen(
            unit, name_of(reader.connection, reader.codec, f"Organization/{unit}") or unit, provider, int(cursor[5]),
            int(cursor[0]), patients, list(self._rows.values()), owners, aside, sorted(self._withheld),
            {name: reader.rows(self._sql[f"get_{name}"], values) for name in _COPIED},
        )  # fmt: skip

    def _patients(self, unit: str) -> list[int]:
        values = {
            "unit": unit,
            "now": self._now,
            "before": listed.after_tomorrow(self._now),
            "limit": config.SNAPSHOT_PATIENTS_MAX + 1,
        }
        listed_here = [row[0] for row in self._reader.rows(self._sql["patients"], values)]
        if len(listed_here) > config.SNAPSHOT_PATIENTS_MAX:
            raise TooLarge(
                f"a snapshot holds at most {config.SNAPSHOT_PATIENTS_MAX} patients", help="choose a smaller unit"
            )
        given = orjson.dumps(listed_here).decode()
        return [row[0] for row in self._reader.rows(self._sql["together"], {"patients": given})]

    def _of_patient(self, who: Session, patient: int) -> None:
        facts = self._reader.rows(self._standing, {"patient": patient, "person": "", "unit": who.assignment.unit})
        standing = standing_of(facts, self._now, aged=self._aged)
        emergency = standing
        if not standing.protected:  # else even whose it is would tell a place
            standing = self._with_openings(standing, who, patient)
            emergency = standing.in_emergency()

        def opens(about: Information) -> bool:
            """Whether an emergency opening on the PC would show it."""
            return (
                about.kind in OPENED_ALONE and decision(who, self._settings, emergency, about).outcome is Outcome.PERMIT
            )

        allowed = []
        for owner, kind, provider, unit in self._reader.rows(self._sql["owners"], {"patient": patient}):
            about = Information(unit, provider, kind)
            if decision(who, self._settings, standing, about).outcome is Outcome.PERMIT:
                allowed.append(owner)
            elif opens(about):
                allowed.append(owner)
                self._others.update(one for one in (unit, provider) if one)
        for kind, provider, unit, *_ in self._reader.rows(
            statements("sheet")["fragments"], {"patient": patient, "release": __version__}
        ):
            # As a sheet says it (``copy.sheet.deciding``): of what it would show.
            about = Information(unit or None, provider or None, kind)
            rule = decision(who, self._settings, standing, about)
            told = rule.outcome in (Outcome.CHOICE, Outcome.EXISTENCE) or rule.id == "A8-unknown"
            if (told or rule.id in _UNRELATED) and not opens(about):
                self._withheld.add((patient, kind))
        self._add(self._reader.rows(self._sql["rows_of"], {
            "patient": patient, "owners": orjson.dumps(allowed).decode(),
        }), without=frozenset({_RELATED}) if standing.protected else frozenset())  # fmt: skip
        for row in self._read([patient]):  # who it is may be seen by all staff (A1-identity)
            self._rows[row.rkey] = self._without_places(row) if standing.protected else row

    def _with_openings(self, standing: Standing, who: Session, patient: int) -> Standing:
        """With what anybody at the unit has open: on reading it shows to them alone."""
        rows = self._reader.rows(self._sql["openings"], {"patient": patient, "unit": who.assignment.unit})
        return replace(standing, openings=[Opening(What(row[0]), *row[1:]) for row in rows])

    def _add(self, rows: Iterable[Sequence[Any]], *, without: frozenset[int] = frozenset()) -> None:
        for columns in rows:
            row = Row(*columns)
            if row.type not in without:
                self._rows[row.rkey] = row

    def _read(self, keys: Iterable[int]) -> list[Row]:
        return [Row(*one) for one in self._reader.rows(self._sql["rows"], {"keys": orjson.dumps(list(keys)).decode()})]

    def _without_places(self, row: Row) -> Row:
        assert row.body is not None
        body = masked(self._reader.codec.decompress(row.dictionary, row.body))
        dictionary, packed = self._reader.codec.compress(body)
        return row._replace(hash=sha256(body).digest(), dictionary=dictionary, body=packed, owner=_NOBODYS)

    def _above(self, unit: str) -> list[str]:
        """The unit and the Organizations that it is part of, the care provider last."""
        found: list[str] = []
        following: str | None = unit
        while following is not None and following not in found and len(found) < 8:
            found.append(following)
            rows = self._read([resource_key("Organization", following)])
            part = _body(self._reader, rows[0]).get("partOf") if rows else None
            reference = part.get("reference") if isinstance(part, dict) else None
            following = (
                reference.partition("/")[2]
                if isinstance(reference, str) and reference.startswith("Organization/")
                else None
            )
        return found

    def _directory(self, unit: str, above: Sequence[str]) -> None:
        """The unit's staff and places, and what the chosen entries name."""
        roles = self._reader.rows(
            self._sql["pointing"],
            {"key": reference_key("PractitionerRole.organization", "Organization", unit), "type": _ROLE},
        )
        new = [row[0] for row in roles] + [resource_key("Organization", one) for one in (*above, *sorted(self._others))]
        looked: set[int] = set()
        for _ in range(_DEPTH_MAX):
            before = [row for row in self._rows.values() if row.rkey not in looked]
            looked |= {row.rkey for row in before}
            named = {match for row in before for match in _NAMED.findall(self._unpacked(row))}
            new += [resource_key(*one.decode().split("/", 1)) for one in sorted(named)]
            wanted = sorted(set(new) - set(self._rows))
            if not wanted:
                break
            self._add(row for row in self._read(wanted) if row.patient is None)
            new = []

    def _unpacked(self, row: Row) -> bytes:
        try:
            return self._reader.codec.decompress(row.dictionary, row.body) if row.body is not None else b""
        except Exception:  # a damaged row names nothing; the sheet says that it cannot be shown (S4)
            return b""

    def _staff_numbers(self, unit: str) -> set[str]:
        """HSA-ids of the practitioners in the file who have a role at the unit: who may open it. Others are named by entries."""
        roles = [_body(self._reader, row) for row in self._rows.values() if row.type == _ROLE]
        mine = {
            str((role.get("practitioner") or {}).get("reference", "")).partition("/")[2]
            for role in roles if (role.get("organization") or {}).get("reference") == f"Organization/{unit}"
        }  # fmt: skip
        found = set()
        for row in self._read([resource_key("Practitioner", one) for one in mine if one]):
            for identifier in _body(self._reader, row).get("identifier") or ():
                if identifier.get("system") == _HSA:
                    found.add(str(identifier.get("value", "")))
        return found


def _body(reader: Reader, row: Row) -> dict[str, Any]:
    found = orjson.loads(reader.codec.decompress(row.dictionary, row.body)) if row.body is not None else {}
    return found if isinstance(found, dict) else {}
