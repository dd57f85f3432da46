"""JSON Patch on a resource (https://hl7.org/fhir/R4/http.html#patch, RFC 6902, RFC 6901).

Invariants: the text of every number that the patch leaves alone or brings stays (``72.50``); ``resourceType`` and
``id`` do not change; all operations apply or none; ``copy``, which could double a resource a thousand times, is
limited in bytes.
"""

from __future__ import annotations

from typing import Any, Final, cast

import jsonpatch
import jsonpointer

from vaka.config import BODY_MAX_BYTES, PATCH_COPY_MAX_BYTES, PATCH_MAX_OPERATIONS
from vaka.errors import Invalid, TooLarge, Unprocessable
from vaka.fhir import exact
from vaka.fhir.parse import parse_any, without_bom

_NEEDS: Final = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "from"),
    "copy": ("path", "from"),
    "test": ("path", "value"),
}


def apply_patch(body: bytes, operations: bytes) -> bytes:
    """``body``, a resource, after the JSON Patch ``operations``; compact, members in their order.

    Raises Invalid for what is no JSON Patch, Unprocessable where an operation (``test`` too) does not hold or the
    result would be another resource, TooLarge past a limit. The result is still to be parsed and validated by the
    caller."""
    steps = parse_patch(operations)
    patched: Any = exact.loads(body)
    fixed = {name: patched.get(name) for name in ("resourceType", "id")}
    copied_bytes = 0
    for index, step in enumerate(steps):
        where = f"Operation {index} ({step['op']} {step['path']!r:.200})"
        try:
            if step["op"] == "copy":
                copied = exact.dumps(jsonpointer.resolve_pointer(patched, step["from"]))
                copied_bytes += len(copied)
                if copied_bytes > PATCH_COPY_MAX_BYTES:
                    raise TooLarge(f"{where}: a patch copies {PATCH_COPY_MAX_BYTES} bytes at most")
                step = {"op": "add", "path": step["path"], "value": exact.loads(copied)}
            patched = jsonpatch.JsonPatch([step]).apply(patched, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise Unprocessable(f"{where} failed: the resource has another value there, or none") from None
        except jsonpatch.JsonPatchConflict:
            raise Unprocessable(f"{where} cannot be applied: the resource has nothing at that place") from None
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
            raise Unprocessable(f"{where} cannot be applied: {error!s:.200}") from None
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError):
            # jsonpatch leaks these where a path leads into a string or number.
            raise Unprocessable(f"{where} cannot be applied: the path leads into a value that has no parts") from None
    if not isinstance(patched, dict):
        raise Unprocessable("The patch replaces the resource by something that is none")
    for name, value in fixed.items():
        if patched.get(name) != value:
            raise Unprocessable(f"A patch must not change {name}", path=f"{fixed['resourceType']}.{name}")
    try:
        result = exact.dumps(patched)
    except TypeError:
        raise Unprocessable("The patch nests the resource too deeply") from None
    if len(result) > BODY_MAX_BYTES:
        raise TooLarge(f"The patched resource has {len(result)} bytes; at most {BODY_MAX_BYTES} are taken")
    return result


def parse_patch(operations: bytes) -> list[dict[str, Any]]:
    """The operations of a JSON Patch document, each with the members that RFC 6902 demands."""
    operations = without_bom(operations)
    parse_any(operations, what="patch")
    steps = exact.loads(operations)
    if not isinstance(steps, list):
        raise Invalid(
            "A JSON Patch is an array of operations", help='Send [{"op": "replace", "path": "/…", "value": …}].'
        )
    if len(steps) > PATCH_MAX_OPERATIONS:
        raise TooLarge(f"The patch has {len(steps)} operations; at most {PATCH_MAX_OPERATIONS} are taken")
    for index, step in enumerate(steps):
        op = step.get("op") if isinstance(step, dict) else None
        if not isinstance(op, str) or op not in _NEEDS:
            raise Invalid(f"Operation {index} of the patch has no op that RFC 6902 knows: {', '.join(_NEEDS)}")
        for name in _NEEDS[op]:
            if name not in step:
                raise Invalid(f"Operation {index} of the patch ({op}) has no {name}")
            if name != "value" and (not isinstance(step[name], str) or step[name][:1] not in ("", "/")):
                raise Invalid(
                    f"Operation {index} of the patch ({op}): {name} is no JSON Pointer", help="It begins with /."
                )
    return cast(list[dict[str, Any]], steps)
