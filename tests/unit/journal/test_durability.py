"""What a server must be, without a server."""

from __future__ import annotations

import re

import pytest

from vaka import errors
from vaka.journal import durability, settings

SOUND = {name: next(iter(allowed)) for name, allowed in durability.REQUIRED.items()}


def test_a_sound_server_is_taken() -> None:
    """Broken: Vaka starts nowhere."""
    durability.refuse_weakened(SOUND)


@pytest.mark.parametrize(
    ("name", "value"),
    [("fsync", "off"), ("synchronous_commit", "local"), ("full_page_writes", "off"), ("data_checksums", "off"),
     ("data_sync_retry", "on"), ("max_prepared_transactions", "5")],
)  # fmt: skip
def test_each_weakened_setting_is_refused_by_name(name: str, value: str) -> None:
    """Broken: what was acknowledged can be lost, and nobody was told."""
    with pytest.raises(errors.Setup, match=f"{name} = {value}") as refused:
        durability.refuse_weakened(SOUND | {name: value})
    assert refused.value.help
    with pytest.raises(errors.Setup, match=f"{name} = unknown"):
        durability.refuse_weakened({other: v for other, v in SOUND.items() if other != name})


@pytest.mark.parametrize("memory_mb", [512, 2048, 24_105, 2**20])
def test_memory_fits_the_machine(memory_mb: int) -> None:
    """Broken: PostgreSQL takes more than a quarter of a machine with 2 GB, or nothing of a large one."""
    text = settings.postgresql_conf(memory_mb * settings.MIB)
    found = re.search(r"shared_buffers = '(\d+)MB'", text)
    assert found is not None
    assert 128 <= int(found[1]) <= max(memory_mb // 4, 128)


def test_the_configuration_itself_is_durable_and_private() -> None:
    """Broken: our own file weakens what we refuse in others, listens on the network, or trusts anybody."""
    text = settings.postgresql_conf(2**31)
    for name in ("fsync", "synchronous_commit", "full_page_writes", "data_sync_retry", "max_prepared_transactions"):
        found = re.search(rf"^{name} = (\w+)", text, re.MULTILINE)
        assert found is not None
        assert found[1] in durability.REQUIRED[name]
    assert re.search(r"^listen_addresses = ''$", text, re.MULTILINE)
    methods = {line.split()[3] for line in settings.pg_hba_conf().splitlines() if line.startswith("local")}
    assert methods == {"peer"}
    assert "host" not in settings.pg_hba_conf()


def test_recovery_after_a_crash_is_bounded() -> None:
    """Broken: after a power cut under load, PostgreSQL reads back minutes of WAL before anybody is served."""
    text = settings.postgresql_conf(2**36)
    told = dict(re.findall(r"^(\w+) = '(\d+)(?:s|GB)'", text, re.MULTILINE))
    assert int(told["checkpoint_timeout"]) <= 90
    assert int(told["max_wal_size"]) <= 1
    assert re.search(r"^recovery_init_sync_method = '(syncfs|fsync)'$", text, re.MULTILINE)


def test_only_named_users_are_let_in() -> None:
    """Broken: every user of the machine can be the record's role."""
    lines = settings.pg_ident_conf(["anna", "root"]).splitlines()[1:]
    assert {line.split()[1] for line in lines} == {'"anna"', '"root"'}
    assert {line.split()[2] for line in lines} == {'"vaka"', '"postgres"'}
