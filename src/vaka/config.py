"""Every limit of Vaka, named, with its unit and the reason for its size. Settings of one installation are arguments."""

from __future__ import annotations

from typing import Final

# A body: the largest R4 example bundle is 2.5 MB; a transaction of 10,000 small entries about 12 MB.
BODY_MAX_BYTES: Final = 32 * 1024 * 1024
BINARY_MAX_BYTES: Final = 512 * 1024 * 1024
BODY_TIMEOUT_S: Final = 60.0
BODY_IDLE_TIMEOUT_S: Final = 10.0
HEADERS_TIMEOUT_MS: Final = 10_000
STOP_TIMEOUT_S: Final = 10.0
JSON_MAX_DEPTH: Final = 64
BUNDLE_MAX_ENTRIES: Final = 10_000
PATCH_MAX_OPERATIONS: Final = 1_000
PATCH_COPY_MAX_BYTES: Final = 1024 * 1024
# An OperationOutcome; who sends ten thousand faults needs not read them all.
ISSUES_MAX: Final = 100
# https://hl7.org/fhir/R4/datatypes.html#string
STRING_MAX_CHARACTERS: Final = 1024 * 1024

# A search.
PAGE_DEFAULT_COUNT: Final = 50
PAGE_MAX_COUNT: Final = 1_000
INCLUDE_MAX_RESOURCES: Final = 2_000
INCLUDE_MAX_DEPTH: Final = 5
QUERY_MAX_BYTES: Final = 512 * 1024
QUERY_MAX_PARAMETERS: Final = 200
QUERY_MAX_VALUES: Final = 5_000
CHAIN_MAX_DEPTH: Final = 5
CHAIN_COLLECT_MAX: Final = 2_000
SORTED_BY_TEXT: Final = 10_000
SEARCH_TIMEOUT_S: Final = 20.0
STRING_MAX_CHARS: Final = 256
WORDS_MAX: Final = 2_000
PAGE_ADDRESS_LIFETIME_S: Final = 24 * 3600

# The database.
CONNECTIONS_MAX: Final = 12
CONNECT_TIMEOUT_S: Final = 5.0
WRITE_TIMEOUT_S: Final = 30.0
BATCH_MAX_WRITES: Final = 200
IDEMPOTENCY_DAYS: Final = 90
BINARY_CHUNK_BYTES: Final = 1024 * 1024

# The feed.
FEED_POLL_MS: Final = 25
FEED_BATCH_ROWS: Final = 1_000
FEED_BATCH_BYTES: Final = 1024 * 1024
# The HTTP server keeps what a slow reader has not taken: an answer of this size, as sent, ends, and the reader asks on.
FEED_ANSWER_BYTES: Final = 1024 * 1024
FEED_TAIL_BYTES: Final = 16 * 1024 * 1024
FEED_TAIL_LINES: Final = 20_000
FEED_FIRST_HORIZON_S: Final = 5.0
FEED_HORIZON_TOLD_S: Final = 10.0
FEED_CONNECTIONS: Final = 3
FEED_WAIT_MAX_S: Final = 300
FEED_HEARTBEAT_S: Final = 1.0
FEED_READERS_MAX: Final = 200
HORIZON_AGE_WARN_S: Final = 2.0

# Loading commits often, so that the feed's horizon keeps moving (facts: The horizon).
LOAD_COMMIT_MS: Final = 200

# Records law (access/law.py, docs/decisions/0011-records-law.md).
# PDL and HSLF-FS leave the time to the care provider: two weeks let a doctor's holiday pass.
LOCK_AFTER_SIGNING_DAYS: Final = 14
REASON_MAX_CHARS: Final = 2_000
# A proposal that nobody confirms is forgotten: what it rested on may have changed.
MERGE_PROPOSAL_DAYS: Final = 7
# A lifelong record has some ten thousand entries; a merge is one transaction.
MERGE_MAX_RESOURCES: Final = 20_000
# A patient sees a result or an unsigned note by itself after this time, where nobody has decided otherwise.
VISIBLE_AFTER_DAYS: Final = 14
REDACT_BATCH: Final = 200
