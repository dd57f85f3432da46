"""PostgreSQL's configuration files for the embedded cluster, written at every start.

Invariants: reachable through a socket only, by peer authentication only (never ``trust``); crash recovery is bounded;
the server's log holds no clinical text. An operator's own settings go to ``local.conf``, which is read last; what it
weakens is refused (durability.py). Each value has its reason beside it. Source:
https://www.postgresql.org/docs/18/runtime-config.html, facts/continuity.md.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024
SOCKET_FOLDER: Final = "../run/pg"
LOG_FOLDER: Final = "../log/postgres"
PORT: Final = 5432
MAP: Final = "vaka"
SUPERUSER: Final = "postgres"
ROLE: Final = "vaka"
DATABASE: Final = "vaka"


def memory_bytes() -> int:
    """This machine's memory, or what its control group allows if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        allowed = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(allowed)) if allowed.isdigit() else total


def _sync_method() -> str:
    """How a start after a crash writes out what the crashed server left in the page cache: one call for the file system
    (0.05 s), where its errors are reported (Linux 5.8), instead of one for each of 1,500 files (1 to 3 s, measured)."""
    if sys.platform != "linux":
        return "fsync"
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    return "syncfs" if release and (int(release[1]), int(release[2])) >= (5, 8) else "fsync"


def postgresql_conf(memory: int) -> str:
    """The text of postgresql.conf for a machine with ``memory`` bytes."""

    def share(part: float, low: int, high: int) -> str:
        return f"{int(min(max(memory * part / MIB, low), high))}MB"

    return f"""\
# Written by Vaka at every start. Own settings go to local.conf beside this file.
listen_addresses = ''
unix_socket_directories = '{SOCKET_FOLDER}'
unix_socket_permissions = 0777                  # the folder is 0700; who connects is told by peer authentication
port = {PORT}
max_connections = 60
max_locks_per_transaction = 1024                # a bundle locks each of its identifiers (BUNDLE_MAX_ENTRIES)
password_encryption = 'scram-sha-256'

# What an acknowledged commit rests on.
fsync = on
synchronous_commit = on
full_page_writes = on
data_sync_retry = off
max_prepared_transactions = 0                   # one would hold back the feed's horizon
idle_in_transaction_session_timeout = '60s'     # so would a client that left in the middle

# Recovery after a crash reads back to the last checkpoint: few seconds of it.
checkpoint_timeout = '90s'
max_wal_size = '1GB'
min_wal_size = '256MB'
checkpoint_completion_target = 0.9
log_startup_progress_interval = '1s'
recovery_init_sync_method = '{_sync_method()}'

# Backup: pg_receivewal without a slot, so that a dead reader never fills this disk. It may be away this long.
wal_level = 'replica'
max_wal_senders = 6
max_replication_slots = 0
wal_keep_size = '1GB'
wal_sender_timeout = '10s'                      # a stopped receiver must not keep a clean stop waiting

# Memory: a quarter of the machine at most, on 2 GB too.
shared_buffers = '{share(1 / 8, 128, 8192)}'
effective_cache_size = '{share(1 / 2, 512, 65536)}'
work_mem = '{share(1 / 512, 4, 64)}'
maintenance_work_mem = '{share(1 / 32, 64, 1024)}'
jit = off                                       # short queries: compiling costs more than it gives
random_page_cost = 1.1
effective_io_concurrency = 64

# Tables here grow by inserts: keep them visible-all and their statistics fresh.
autovacuum_naptime = '15s'
autovacuum_vacuum_insert_scale_factor = 0.05
autovacuum_vacuum_scale_factor = 0.05
autovacuum_analyze_scale_factor = 0.02
autovacuum_vacuum_cost_limit = 2000

# The log: events, waits and slow statements, never values. Error messages quote values: the API logs their codes.
logging_collector = on
log_directory = '{LOG_FOLDER}'
log_filename = 'postgres-%a'                    # a week of files, each written over a week later
log_truncate_on_rotation = on
log_rotation_age = '1d'
log_rotation_size = 0
log_file_mode = 0600
log_destination = 'jsonlog'
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_duration_statement = '1s'
log_lock_waits = on
deadlock_timeout = '1s'
log_autovacuum_min_duration = '10s'
log_checkpoints = on
log_timezone = 'UTC'
timezone = 'UTC'
track_io_timing = on
track_activity_query_size = 4096

datestyle = 'iso, ymd'
lc_messages = 'C'
lc_monetary = 'C'
lc_numeric = 'C'
lc_time = 'C'
default_text_search_config = 'pg_catalog.simple'

include = 'local.conf'
"""


def pg_hba_conf() -> str:
    """Local sockets, and the operating system's word for who it is. Nothing else."""
    return f"# Written by Vaka at every start.\nlocal all all peer map={MAP}\nlocal replication all peer map={MAP}\n"


def pg_ident_conf(users: Iterable[str]) -> str:
    """Which users of the machine are which roles: each of ``users`` may be the record's role and the superuser."""
    lines = [f'{MAP} "{user}" "{role}"' for user in sorted(set(users)) for role in (ROLE, SUPERUSER)]
    return "# Written by Vaka at every start.\n" + "\n".join(lines) + "\n"
