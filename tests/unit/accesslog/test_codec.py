"""Records as bytes and blocks as a chain, without I/O: what goes in comes out, and what is changed is seen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaka import config
from vaka.accesslog import blocks, runs
from vaka.accesslog.codec import SHOWN, Damaged, Described, Encoder, contents, records
from vaka.accesslog.record import Actor, Record, cut, person_key
from vaka.accesslog.writer import in_one_block

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
KEY = st.integers(-(2**63), 2**63 - 1)
ACTORS = st.builds(Actor, *[TEXT] * 10)
RECORDS = st.builds(
    Record, st.integers(1_700_000_000_000_000, 1_900_000_000_000_000), ACTORS, TEXT, TEXT, TEXT, st.integers(100, 599),
    st.integers(1, 9), TEXT, TEXT, TEXT, TEXT, st.lists(KEY, max_size=5).map(tuple),
    st.lists(st.integers(0, 2**31), max_size=5).map(tuple), st.lists(st.integers(0, 2**62), max_size=12).map(tuple),
    st.integers(0, 10_000),
)  # fmt: skip
NOW = 1_800_000_000_000_000
ANNA = Actor("", "SE1-1", "Anna Ek", "Läkare", "roll-1", "ava31", "region", "care", "passkey", "0" * 32)


def record(**changed: object) -> Record:
    given_: dict[str, object] = {"time_us": NOW - 5, "actor": ANNA, "activity": "read", "patients": (7,), "seqs": (12,)}
    return Record(**{**given_, **changed})  # type: ignore[arg-type]


@given(st.lists(st.lists(RECORDS, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_what_goes_in_comes_out(batches: list[list[Record]]) -> None:
    """Would break: a record is read back otherwise than it was written, in any block of a chapter."""
    encoder = Encoder()
    for batch in batches * 3:  # and what is shown again
        payload = encoder.payload(batch, NOW)
        assert records(payload, NOW, encoder.described) == batch
        told = contents(payload)
        assert set(told.patients) == {patient for one in batch for patient in one.patients}
        assert {encoder.described[n].actor() for n in told.actors} == {one.actor for one in batch}
        assert told.records == len(batch)
        assert told.named <= set(encoder.described)


@given(st.lists(RECORDS, min_size=1, max_size=6), st.lists(st.integers(0, 5), min_size=1, max_size=12), st.data())
@settings(max_examples=150, deadline=None)
def test_what_happens_again_is_told_with_its_time(kept: list[Record], order: list[int], data: st.DataObject) -> None:
    """Would break: an access to a sheet that is kept is logged as of when it was first shown, as another's, or with another's words."""
    encoder = Encoder()
    for _ in range(4):
        batch = [kept[n % len(kept)] for n in order]
        times = data.draw(st.lists(st.none() | st.integers(NOW - 50, NOW), min_size=len(batch), max_size=len(batch)))
        batch = [one if time is not None else one._replace() for one, time in zip(batch, times, strict=True)]
        wanted = [one if time is None else one._replace(time_us=time) for one, time in zip(batch, times, strict=True)]
        assert records(encoder.payload(batch, NOW, times), NOW, encoder.described) == wanted


def test_who_is_described_once() -> None:
    """Would break: each access carries the person's name and unit again, and is too large."""
    encoder = Encoder()
    first, second = (encoder.payload([record(time_us=NOW - n)], NOW) for n in (5, 9))
    assert b"Anna Ek" in first
    assert len(second) < 50
    assert contents(second).described == {}


def test_what_is_shown_again_is_named_once() -> None:
    """Would break: each look at an open sheet names all its versions again, half a kilobyte each."""
    encoder = Encoder()
    sheets = [record(owners=(1, 2, 3), seqs=tuple(range(5_000_000 * n, 5_000_000 * n + 50)), more=4) for n in (1, 2)]
    payloads = [encoder.payload(sheets, NOW) for _ in range(4)]
    assert [len(payload) < 100 for payload in payloads] == [False, False, True, True]
    assert [records(payload, NOW, encoder.described) for payload in payloads] == [sheets] * 4
    assert contents(payloads[3]).named & set(contents(payloads[1]).described)


@pytest.mark.parametrize(
    "text", ["", "5", "null", "[1]", "[1,[2],3]", '[[1],["2"],3]', "[[1],[2],true]", "[[1],[2],3,4]"]
)
def test_what_is_described_as_shown_and_is_not_is_damaged(text: str) -> None:
    """Would break: a description that a copy made up, or that was changed, stops verification with an error that nobody expects."""
    with pytest.raises(Damaged):
        Described(SHOWN, text).require()


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_other_bytes_are_damaged_and_nothing_else(content: bytes) -> None:
    """Would break: damage stops verification with an error that nobody expects."""
    for read in (lambda: contents(content), lambda: records(content, NOW, {})):
        try:
            read()
        except Damaged:
            pass


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_cut_or_changed_payload_is_damaged_or_read(data: st.DataObject) -> None:
    """Would break: as above, close to what is right."""
    encoder = Encoder()
    payload = bytearray(encoder.payload([record(), record(reason="väntan är farlig", owners=(3, 4))], NOW))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] = data.draw(st.integers(0, 255))
    for content in (bytes(payload), bytes(payload[:at])):
        try:
            records(content, NOW, encoder.described)
        except Damaged:
            pass


def chain(count: int) -> list[blocks.Block]:
    encoder, before, made = Encoder(), blocks.genesis("s"), []
    for number in range(1, count + 1):
        payload = encoder.payload([record(patients=(number,))], NOW)
        made.append(blocks.make(number, 1, NOW + number, payload, before))
        before = made[-1].hash
    return made


def test_a_file_is_read_to_its_torn_end() -> None:
    """Would break: a kill in the middle of a write makes the whole file unreadable."""
    made = chain(5)
    content = b"".join(block.framed for block in made)
    for cut_at in range(len(content) - len(made[-1].framed) + 1, len(content), 7):
        found = list(blocks.in_file(content[:cut_at] + b"\0" * 500, 0, blocks.genesis("s")))
        assert [block.number for block, _ in found] == [1, 2, 3, 4]


def test_any_changed_byte_breaks_the_chain() -> None:
    """Would break: somebody changes who read what, and nobody sees it."""
    made = chain(4)
    content = b"".join(block.framed for block in made)
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        assert len(list(blocks.in_file(bytes(changed), 0, blocks.genesis("s")))) < 4, at


def test_with_a_key_no_payload_can_be_read_in_a_file_and_none_changed() -> None:
    """Would break: who takes a copy's disk reads who has read what, and why; or a copy cannot read its own log, or what it wrote before
    it had a key."""
    made, key = chain(4), b"k" * 32
    content = made[0].framed + b"".join(blocks.sealed(block, key) for block in made[1:])
    for block in made[1:]:
        assert block.payload[:8] not in content[len(made[0].framed) :]
    assert [block for block, _ in blocks.in_file(content, 0, blocks.genesis("s"), key)] == made
    for other in (None, b"j" * 32):
        assert len(list(blocks.in_file(content, 0, blocks.genesis("s"), other))) == 1
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        assert len(list(blocks.in_file(bytes(changed), 0, blocks.genesis("s"), key))) < 4, at
    for cut_at in range(len(content) - len(made[-1].framed) + 1, len(content), 7):
        assert len(list(blocks.in_file(content[:cut_at] + b"\0" * 500, 0, blocks.genesis("s"), key))) == 3


def test_dropped_and_swapped_blocks_break_the_chain() -> None:
    """Would break: a block is taken away, or moved, unseen."""
    made = chain(4)
    for order in ([0, 2, 3], [0, 2, 1, 3], [1, 2, 3], [0, 1, 1, 2]):
        content = b"".join(made[n].framed for n in order)
        assert len(list(blocks.in_file(content, 0, blocks.genesis("s")))) < len(order)


def test_a_run_is_read_back_with_its_hashes() -> None:
    """Would break: the tables hold blocks whose hashes cannot be had again."""
    made = chain(6)
    run = b"".join(block.bare for block in made)
    assert [block.hash for block in blocks.in_run(run, blocks.genesis("s"))] == [block.hash for block in made]
    with pytest.raises(ValueError, match="no block"):
        list(blocks.in_run(run[:-1], blocks.genesis("s")))


def test_a_run_is_of_one_chapter_and_one_month(monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: dropping a month takes blocks of the next one with it, or numbers mean other people."""
    made = chain(5)
    assert runs.take(made) == 5
    assert runs.take([*made[:2], made[4]]) == 2
    other = blocks.make(3, 3, NOW, made[2].payload, made[1].hash)
    assert runs.take([*made[:2], other]) == 2
    later = blocks.make(3, 1, NOW + 40 * 86_400_000_000, made[2].payload, made[1].hash)
    assert runs.take([*made[:2], later]) == 2
    monkeypatch.setattr(config, "LOG_RUN_BYTES", 1)
    assert runs.take(made) == 1


def test_more_patients_than_a_record_holds_make_several() -> None:
    """Would break: some of the patients that an answer told of are not logged."""
    many = tuple(range(config.LOG_PATIENTS_MAX * 2 + 3))
    parts = list(record(patients=many, seqs=(1, 2), more=5).parts())
    assert [len(part.patients) for part in parts] == [config.LOG_PATIENTS_MAX] * 2 + [3]
    assert tuple(patient for part in parts for patient in part.patients) == many
    assert [(part.seqs, part.more) for part in parts] == [((1, 2), 5), ((), 0), ((), 0)]


def test_a_block_has_room_for_so_many_patients() -> None:
    """Would break: a thousand lists of a whole ward each make a block that no segment and no table takes."""
    wide = record(patients=tuple(range(config.LOG_BLOCK_MAX_PATIENTS // 2)))
    assert in_one_block([(record(), None, 0)] * (config.LOG_BLOCK_MAX_RECORDS + 5)) == config.LOG_BLOCK_MAX_RECORDS
    assert in_one_block([(wide, None, 0)] * 5) == 2
    assert in_one_block([(wide._replace(patients=wide.patients * 3), None, 0)] * 5) == 1


def test_texts_are_bounded_and_plain() -> None:
    """Would break: a caller writes a megabyte, or lines of its own, into the log."""
    assert len(cut("x" * 10_000)) == config.LOG_TEXT_MAX_CHARS
    assert cut("a\nb\x1fc\ud800") == "a b c "
    assert cut("å") == "å"


def test_persons_and_programs_have_keys_of_their_own() -> None:
    """Would break: a person is found under another's events."""
    assert ANNA.key == person_key("SE1-1")
    assert Actor("laboratory").key == person_key("laboratory") != ANNA.key
