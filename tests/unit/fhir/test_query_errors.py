"""What a search is refused for, what it passes by and names, and how much of it there may be."""

from __future__ import annotations

import time

import pytest

from vaka import config, errors
from vaka.fhir.criteria import Criterion, Query, Tokens
from vaka.fhir.definitions import RESOURCE_TYPES, parameters
from vaka.fhir.query import parse_query


def ask(type_: str, *parameters: tuple[str, str], strict: bool = False) -> Query:
    types = RESOURCE_TYPES if type_ == "*" else [type_]
    return parse_query(types, parameters, base_url="http://j/fhir", strict=strict)


@pytest.mark.parametrize(
    ("type_", "name", "value", "code"),
    [
        ("Patient", "birthdate", "2024-13-01", "invalid"),
        ("Patient", "birthdate", "xx2024", "invalid"),
        ("Patient", "birthdate", "2024-02-30", "invalid"),
        ("Patient", "birthdate", "", "invalid"),
        ("Patient", "birthdate", "2024,", "invalid"),
        ("Patient", "birthdate:exact", "2024", "not-supported"),
        ("Patient", "birthdate:not", "2024", "not-supported"),
        ("Patient", "gender:missing", "yes", "invalid"),
        ("Patient", "gender:missing", "", "invalid"),
        ("Patient", "gender:in", "http://x", "not-supported"),
        ("Patient", "gender:not-in", "http://x", "not-supported"),
        ("Patient", "gender:below", "x", "not-supported"),
        ("Patient", "gender:nothing", "male", "not-supported"),
        ("Patient", "gender:", "male", "invalid"),
        ("Patient", "gender", "|", "invalid"),
        ("Patient", "gender", "a|b|c", "invalid"),
        ("Patient", "gender", "male,,female", "invalid"),
        ("Patient", "gender:text", "-", "invalid"),
        ("Patient", "name", " ", "invalid"),
        ("Patient", "name", "\u0301", "invalid"),
        ("Patient", "name", "x" * 257, "invalid"),
        ("Patient", "name:not", "x", "not-supported"),
        ("Patient", "identifier:of-type", "a|b", "invalid"),
        ("Patient", "identifier:of-type", "a||c", "invalid"),
        ("Patient", "_id", "a/b", "invalid"),
        ("Patient", "_id", "x" * 65, "invalid"),
        ("Patient", "_lastUpdated", "yesterday", "invalid"),
        ("Patient", "_text", "!", "invalid"),
        ("Patient", "_text:missing", "true", "not-supported"),
        ("Patient", "_profile:below", "http://x", "not-supported"),
        ("Patient", "organization", "Patient/1", "invalid"),
        ("Patient", "organization", "#contained", "invalid"),
        ("Patient", "organization", "a b", "invalid"),
        ("Patient", "organization:Patient", "1", "invalid"),
        ("Patient", "organization:Organization", "http://x/Organization/1", "invalid"),
        ("Patient", "organization:nothing", "1", "not-supported"),
        ("Patient", "organization:identifier", "a|b|c", "invalid"),
        ("Patient", "organization:identifier", "a|", "invalid"),
        ("Observation", "value-quantity", "five", "invalid"),
        ("Observation", "value-quantity", "1e400", "invalid"),
        ("Observation", "value-quantity", "nan", "invalid"),
        ("Observation", "value-quantity", "ap1.7e308", "invalid"),
        ("Observation", "value-quantity", "ap-1.7e308", "invalid"),
        ("Observation", "value-quantity", "1e308|http://unitsofmeasure.org|km", "invalid"),
        ("Observation", "value-quantity", "1e331", "invalid"),
        ("ValueSet", "url:above", "http://a" + "/b" * 64, "invalid"),
        ("Observation", "value-quantity", "-inf", "invalid"),
        ("Observation", "value-quantity", "1e-99999", "invalid"),
        ("Observation", "value-quantity", "٣", "invalid"),
        ("Observation", "value-quantity", "5|mg", "invalid"),
        ("Observation", "value-quantity", "5|http://unitsofmeasure.org|", "invalid"),
        ("Observation", "value-quantity", "1" * 65, "invalid"),
        ("Observation", "code-value-quantity", "a", "invalid"),
        ("Observation", "code-value-quantity", "a$", "invalid"),
        ("Observation", "code-value-quantity", "a$1$2", "invalid"),
        ("Observation", "code-value-quantity", "a$x", "invalid"),
        ("Observation", "component-code-value-quantity", "http://loinc.org|$5", "invalid"),
        ("Observation", "component-code-value-concept", "http://loinc.org|$x", "invalid"),
        ("Observation", "code-value-quantity:exact", "a$1", "not-supported"),
        ("RiskAssessment", "probability", "high", "invalid"),
    ],
)
def test_a_bad_value_or_modifier_is_an_error_even_when_lenient(type_: str, name: str, value: str, code: str) -> None:
    """A filter that cannot be read would be left out, and the answer hold what was not asked for."""
    with pytest.raises(errors.Invalid) as raised:
        ask(type_, (name, value))
    assert [(issue.code, issue.path) for issue in raised.value.issues] == [(code, name)]


UNKNOWN = ["nothing", "_list", "_filter", "_query", "_has", "_containedType", "_score", "", "near", "a.b", "birthdat"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_parameter_is_named(name: str) -> None:
    """A parameter that is not applied would be ignored in silence."""
    query = ask("Location", (name, "x"), ("name", "a"))
    assert [ignored for ignored, _ in query.ignored] == [name]
    assert all(reason for _, reason in query.ignored)
    assert query.used == (("name", "a"),)
    with pytest.raises(errors.Invalid) as raised:
        ask("Location", (name, "x"), ("name", "a"), strict=True)
    assert [(issue.code, issue.path) for issue in raised.value.issues] == [("not-supported", name)]


@pytest.mark.parametrize(
    ("type_", "name", "known"),
    [
        ("Patient", "name:x", ":contains, :exact, :missing"),
        ("Patient", "birthdate:x", ":missing"),
        ("Patient", "organization:x", ":[type], :identifier, :missing, :not, :text"),
        ("ValueSet", "url:x", ":above, :below, :missing, :not"),
        ("Patient", "_profile:x", ":above, :missing, :not"),
    ],
)
def test_an_unknown_modifier_is_answered_with_the_known(type_: str, name: str, known: str) -> None:
    """The caller would not learn what can be asked instead."""
    with pytest.raises(errors.Invalid) as raised:
        ask(type_, (name, "x"))
    assert raised.value.message.endswith("; supported: " + known)


def test_the_longest_values_that_are_allowed() -> None:
    """A limit would stand one lower than it says."""
    ask("Patient", ("name", "x" * config.STRING_MAX_CHARS), strict=True)
    ask("Observation", ("value-quantity", "1" * 64), ("value-quantity", "1e300"), strict=True)
    ask("ValueSet", ("url:above", "http://a" + "/b" * 63), strict=True)
    ask("Patient", ("_id", "x" * 64), strict=True)


def test_the_reason_says_what_to_do_or_which_type_is_at_fault() -> None:
    """ "Ignored" would not tell the caller why."""
    assert "read the List" in ask("Patient", ("_list", "x")).ignored[0][1]
    assert ask("Patient", ("nothing", "x")).ignored[0][1] == 'Patient has no search parameter "nothing"'
    both = parse_query(["Patient", "Observation"], [("birthdate", "2000")], base_url="http://j/fhir", strict=False)
    assert both.ignored[0][1].startswith("Observation has no")


def test_every_fault_is_named_at_once() -> None:
    """A caller would mend one fault only to be told of the next."""
    with pytest.raises(errors.Invalid) as raised:
        ask("Patient", ("birthdate", "x"), ("nothing", "1"), ("gender:in", "x"), strict=True)
    assert {issue.path for issue in raised.value.issues} == {"birthdate", "nothing", "gender:in"}
    with pytest.raises(errors.Invalid) as raised:
        ask("Patient", ("birthdate", "x"), ("nothing", "1"), ("gender:in", "x"), strict=False)
    assert {issue.path for issue in raised.value.issues} == {"birthdate", "gender:in"}


@pytest.mark.parametrize("name", ["_count", "_sort", "_total", "_summary", "_elements"])
def test_a_parameter_that_has_one_value_is_not_repeated(name: str) -> None:
    """Of two page sizes, one would win by chance."""
    value = {"_count": "1", "_sort": "name", "_total": "none", "_summary": "true", "_elements": "name"}[name]
    with pytest.raises(errors.Invalid, match="more than once"):
        ask("Patient", (name, value), (name, value))


def test_parameters_of_the_http_layer_pass_by() -> None:
    """``_format`` would be called unknown."""
    query = ask("Patient", ("_format", "json"), ("_pretty", "true"), ("_page", "abc"), strict=True)
    assert (query.used, query.ignored) == ((), ())


def test_a_parameter_must_belong_to_every_type_searched() -> None:
    """A filter would be dropped for the types that do not have it."""
    query = ask("*", ("birthdate", "2000"))
    assert [name for name, _ in query.ignored] == ["birthdate"]


@pytest.mark.parametrize("text", ["\x00", "a\x1fb", "\ud800", "a\x7f\x00"])
def test_characters_that_no_fhir_string_holds(text: str) -> None:
    """NUL or a lone surrogate would reach the database or the answer's JSON, and be a fault there."""
    for pair in [("name", text), ("nothing" + text, "x"), (text, text), ("_sort", text), ("_elements", text)]:
        with pytest.raises(errors.Invalid) as raised:
            ask("Patient", pair)
        for issue in raised.value.issues:
            (issue.message + str(issue.path)).encode()
            assert "\x00" not in issue.message + str(issue.path)


def test_limits() -> None:
    """One request could cost seconds of the server."""
    with pytest.raises(errors.TooLarge):
        ask("Patient", *[("name", "x")] * (config.QUERY_MAX_PARAMETERS + 1))
    with pytest.raises(errors.TooLarge):
        ask("Patient", ("_id", ",".join(["a"] * (config.QUERY_MAX_VALUES + 1))))
    with pytest.raises(errors.TooLarge):
        ask("Patient", *[("_id", ",".join(["a"] * 100))] * 51)
    with pytest.raises(errors.TooLarge):
        ask("Patient", ("name:exact", "x" * (config.QUERY_MAX_BYTES + 1)))
    with pytest.raises(errors.TooLarge):
        ask("*", ("_tag", ",".join(f"t{n}" for n in range(400))))
    with pytest.raises(errors.TooLarge):
        ask("Patient", ("_text", " OR ".join(["feber"] * (config.QUERY_MAX_VALUES + 1))))


def test_as_many_values_as_are_allowed() -> None:
    """The limit would stand lower than it says, or thousands of values take more than their time."""
    begun = time.process_time()
    query = ask("Patient", ("identifier", ",".join(f"http://s|{n}" for n in range(config.QUERY_MAX_VALUES))))
    assert isinstance(query.where, Tokens)
    assert len(query.where.keys) == config.QUERY_MAX_VALUES
    assert time.process_time() - begun < 1.0


def test_a_bare_id_on_a_reference_to_anything() -> None:
    """``focus=1`` would look in one type only."""
    where: Criterion = ask("Observation", ("focus", "1")).where
    assert isinstance(where, Tokens)
    assert len(where.keys) == len(RESOURCE_TYPES)


VALUES = {
    "token": "http://s|c", "string": "abc", "date": "ge2024-01-01", "number": "5", "quantity": "5||mg", "uri":
    "http://a/b", "reference": "abc-1", "special": "x",
}  # fmt: skip


def test_every_parameter_of_r4_is_read_or_says_why_not() -> None:
    """A search parameter would be a fault instead of a search."""
    read = unsupported = 0
    for type_ in RESOURCE_TYPES:
        for code, parameter in parameters(type_).items():
            if parameter.kind == "composite":
                value = "$".join(VALUES[kind] for _, kind in parameter.components)
            else:
                value = "abc" if code == "_id" else VALUES[parameter.kind]
            query = ask(type_, (code, value))
            if parameter.supported:
                assert query.used == ((code, value),), parameter.name
                if code not in ("_text", "_content"):
                    assert ask(type_, (f"{code}:missing", "true")).where, parameter.name
                read += 1
            else:
                assert query.ignored, parameter.name
                unsupported += 1
    assert (read > 2_000, unsupported < 160) == (True, True), (read, unsupported)
