"""Every limit of Vaka, named, with its unit and the reason for its size. Settings of one installation are arguments."""

from __future__ import annotations

from typing import Final

# A body: the largest R4 example bundle is 2.5 MB; a transaction of 10,000 small entries about 12 MB.
BODY_MAX_BYTES: Final = 32 * 1024 * 1024
BINARY_MAX_BYTES: Final = 512 * 1024 * 1024
BODY_TIMEOUT_S: Final = 60.0
BODY_IDLE_TIMEOUT_S: Final = 10.0
# A body that nobody wanted is read away before the answer: what a refused request of usual size sends, on a usual line.
UNREAD_MAX_BYTES: Final = 1024 * 1024
UNREAD_TIMEOUT_S: Final = 2.0
HEADERS_TIMEOUT_S: Final = 10.0
HEAD_MAX_BYTES: Final = 1024 * 1024
# Longer than HAProxy and browsers wait between two requests of a page; a copy's own connections to the journal end before.
KEEP_ALIVE_S: Final = 75.0
HTTP_CONNECTIONS_MAX: Final = 2_048
# Of a body that nobody reads, held for each connection.
READ_AHEAD_BYTES: Final = 256 * 1024
# An answer that nobody takes is kept for so long.
SEND_IDLE_TIMEOUT_S: Final = 60.0
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

# A long answer is sent no faster than it is read. Each under way costs a piece of it: 32 MB in all.
PACED_BYTES: Final = 1024 * 1024
PACED_MAX: Final = 32

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
FEED_CONNECTIONS: Final = 5
FEED_WAIT_MAX_S: Final = 300
FEED_HEARTBEAT_S: Final = 1.0
FEED_READERS_MAX: Final = 200
HORIZON_AGE_WARN_S: Final = 2.0

# Copies. What one brings at once: an hour's logins of a large hospital are some megabytes, brought in pieces.
PEER_BODY_MAX_BYTES: Final = 8 * 1024 * 1024
OWED_BATCH: Final = 200
OWED_RETRY_S: Final = 1.0
OWED_KEPT_S: Final = 24 * 3600.0

# Loading commits often, so that the feed's horizon keeps moving (facts: The horizon).
LOAD_COMMIT_MS: Final = 200

# People. A session is short, so that what was stolen or taken back is worth little; it is renewed while it is used.
SESSION_ALIVE_S: Final = 15 * 60
SESSION_RENEWED_AFTER_S: Final = 5 * 60
SESSION_MAX_S: Final = 12 * 3600
# What matters most (two records become one, content goes for good, a new passkey) is done so long after the login at most.
FRESH_LOGIN_S: Final = 15 * 60
# Clocks of journal and copies may differ by so much.
CLOCK_SKEW_S: Final = 30
# An assignment is looked up again in the record so often while its session is used.
STANDING_CHECK_S: Final = 60.0
REVOCATIONS_POLL_S: Final = 0.5
# Ended sessions held in memory before those past their time are dropped.
REVOCATIONS_KEPT: Final = 50_000
# What people are shown of their own logins.
OWN_SESSIONS_MAX: Final = 50
WAY_CHANGES_SHOWN_MAX: Final = 10
WAY_CHANGES_KEPT_DAYS: Final = 400
# From the first page of a login to its end.
LOGIN_MAX_S: Final = 600
ENROLMENT_HOURS: Final = 24
DEVICE_DAYS: Final = 180
FORM_MAX_BYTES: Final = 16 * 1024
PASSPHRASE_MIN_CHARS: Final = 12
PASSPHRASE_MAX_CHARS: Final = 128
# As a power of ten: at 50 ms a guess on one core, sixteen years.
PASSPHRASE_MIN_GUESSES_LOG10: Final = 10.0
# One argon2 hash takes 64 MB and 50 ms of a core.
PASSPHRASE_CHECKS_AT_ONCE: Final = 2
PASSPHRASE_CHECKS_WAITING: Final = 32
# Failures before the first wait, which doubles from 1 s; half of them is forgotten each quarter of an hour. A hospital
# stands behind one address.
ATTEMPTS_FREE_ACCOUNT: Final = 5
ATTEMPTS_FREE_SOURCE: Final = 50
ATTEMPT_WAIT_MAX_S: Final = 15 * 60
ATTEMPT_HALVING_S: Final = 15 * 60
IDENTITY_SERVICE_TIMEOUT_S: Final = 5.0

# Results that stand under a laboratory's identifier are looked at before another of it is written, the newest first.
RESULTS_ALIKE_MAX: Final = 100
# A locked version that nobody has looked at for this long is told by `vaka audit`.
LOCK_AGE_DAYS: Final = 90
# The access log (decision 0008). A file is a day's busy hour at most; the ballast is room for several files.
LOG_SEGMENT_BYTES: Final = 8 * 1024 * 1024
LOG_BALLAST_BYTES: Final = 32 * 1024 * 1024
LOG_BLOCK_MAX_RECORDS: Final = 1_000
LOG_BLOCK_MAX_PATIENTS: Final = 200_000
LOG_GATHER_S: Final = 0.001
LOG_RUN_BYTES: Final = 256 * 1024
LOG_RUN_MAX_BLOCKS: Final = 20_000
LOG_SHIP_EVERY_S: Final = 10.0
# A part of a run goes to the tables when it is this old: less often, fewer bytes; what reads the log does not wait for it.
LOG_SHIP_AGE_S: Final = 600.0
# What another machine told of and has not brought after so long is missing.
LOG_BROUGHT_S: Final = LOG_SHIP_AGE_S + 6 * LOG_SHIP_EVERY_S
LOG_KEEP_FILES_S: Final = 24 * 3600.0
LOG_HEAD_EVERY_S: Final = 1.0
LOG_RETRY_S: Final = 1.0
LOG_DATABASE_TIMEOUT_S: Final = 5.0
# Of these 5 s, so long for the journal, the rest for a neighbour; and how long one that did not answer is passed over.
LOG_JOURNAL_FIRST_S: Final = 1.5
LOG_JOURNAL_AGAIN_S: Final = 5.0
# What waits in memory while neither file nor database takes it.
# Of other copies' logs, kept for them while their disk is full and the journal away.
LOG_CARRIED_MAX_BYTES: Final = 256 * 1024 * 1024
LOG_OWED_MAX_BYTES: Final = 64 * 1024 * 1024
LOG_LATE_S: Final = 3_600.0
LOG_PATIENTS_MAX: Final = 4_096
LOG_RESOURCES_MAX: Final = 32
LOG_TEXT_MAX_CHARS: Final = 300
# A person's words, whole: a reason, and why there is no consent.
LOG_REASON_MAX_CHARS: Final = 1_100
LOG_YEARS_MIN: Final = 5
LOG_PAGE_MAX: Final = 1_000
LOG_EXTRACT_MAX: Final = 20_000
# A review looks at so many of the newest accesses of people, or draws from them.
LOG_REVIEW_EVENTS: Final = 20_000
LOG_REVIEW_DAYS: Final = 30
LOG_SAMPLE_MAX: Final = 200
LOG_MANY_PATIENTS: Final = 30
LOG_MANY_WITHIN_S: Final = 600
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
# What one caller does within an hour (api/usage.py). Over "told": an alarm in the log. Over "max": 429 until the hour is over,
# never for what a person reads or opens, nor for the region's own systems. A ward round is some thirty patients; a laboratory
# sends a few results a second; 64 GB is a hospital's day of images.
HOURLY_PATIENTS_TOLD: Final = 200
HOURLY_OPENINGS_TOLD: Final = 10
HOURLY_REFUSALS_TOLD: Final = 300
HOURLY_PERSON_CHANGES_MAX: Final = 3_000
HOURLY_PERSON_BYTES_MAX: Final = 8 * 1024**3
HOURLY_PROGRAM_REQUESTS_TOLD: Final = 500_000
HOURLY_PROGRAM_REQUESTS_MAX: Final = 5_000_000
HOURLY_PROGRAM_BYTES_MAX: Final = 64 * 1024**3
# The busiest ones have a line each, each hour.
HOURLY_CALLERS_TOLD: Final = 50

# Admission (api/admission/): who is let in when all come at once. Classes in their order: urgent, read, write, integration,
# background, login. How many requests may be under way in one process: at first, at least, at most.
ADMISSION_LIMIT: Final = 100
ADMISSION_LIMIT_MIN: Final = 12
# What is under way together is read by one statement and logged by one flush: with fewer than this, each costs up to twice as
# much. Only urgent care that takes long, or a loop that is behind, goes below.
ADMISSION_LIMIT_BATCH: Final = 40
ADMISSION_LIMIT_MAX: Final = 300
# Answers may take so many times as long as usual before fewer are let in: for the same reason.
ADMISSION_TOLERANCE: Final = 2.0
# Where urgent care takes longer than this on average, fewer are let in whatever is usual: it is to be answered within 250 ms,
# and as long again passes before a request gets here and after its answer leaves.
ADMISSION_URGENT_S: Final = 0.06
# What of all places a class may take part in filling: who matters less stops sooner. Beyond all of them: urgent care alone.
ADMISSION_SHARES: Final = (1.25, 0.95, 0.9, 0.85, 0.7, 0.85)
# What a class always has, however many of a more important one come: no integration starves, a wave of logins goes on.
ADMISSION_FLOORS: Final = (0.25, 0.0, 0.1, 0.05, 0.0, 0.05)
# A login costs a hash that takes 64 MB and 50 ms: of all places no more than this.
ADMISSION_LOGINS_MAX: Final = 0.3
# How long somebody of a class waits at most before being refused; a person before a screen, a program in its queue.
ADMISSION_DEADLINES_S: Final = (2.0, 3.0, 4.0, 10.0, 10.0, 4.0)
# The refusal is held back so many times as long at most, where too many would leave at once.
ADMISSION_HELD: Final = 2.0
# More than a listener has connections (api/listen.py).
ADMISSION_WAITING_MAX: Final = 4_096
# Controlled delay (RFC 8289): who has waited longer than the target for a whole interval stands in a queue that does not drain.
ADMISSION_TARGET_S: Final = 0.005
ADMISSION_INTERVAL_S: Final = 0.1
# The same for programs, which send as many at once as they like and can wait.
ADMISSION_PATIENCE: Final = 50.0
# Refusals leave no faster than this part of the answers (and this many a second): a refusal costs a third of a read, and who
# is refused comes back.
ADMISSION_REFUSALS_SHARE: Final = 0.05
ADMISSION_REFUSALS_PER_S: Final = 20.0
# A loop that is behind by this lets the class wait; urgent care never.
ADMISSION_LAGS_S: Final = (float("inf"), 0.4, 0.3, 0.2, 0.1, 0.25)
# A loop that is behind by this all the time has too many under way: a request takes several turns.
ADMISSION_LAG_S: Final = 0.02
ADMISSION_TICK_S: Final = 0.01
ADMISSION_IDLE_TICK_S: Final = 0.1
# Another worker's numbers count as long as they are this fresh.
ADMISSION_FRESH_S: Final = 1.0
ADMISSION_WORKERS_MAX: Final = 32
# Less is shown when it has been needed for the first time, more again when it has not for the second.
ADMISSION_STEP_DOWN_S: Final = 0.5
ADMISSION_STEP_UP_S: Final = 5.0
# Seconds in Retry-After, least and most: who comes back at once, comes with everybody.
ADMISSION_RETRY_S: Final = ((1, 2), (1, 4), (2, 6), (5, 20), (15, 60), (2, 10))
# Who asks again before that time is not read for so long, at most, where the connection is one caller's alone: reading and
# refusing costs a part of answering, and at ten times what can be answered it would take all. By class, as above; of what a
# person's browser sends, prefetches too, so short that what is urgent can come next on the same connection.
ADMISSION_REST_S: Final = (0.0, 0.25, 0.25, 2.0, 0.25, 0.25)
# A patient whom a session has been shown is open to it for so long after it last asked; so many requests in 10 s are a person's.
OPEN_PATIENT_S: Final = 600.0
OPEN_PATIENT_REQUESTS_MAX: Final = 200
ADMISSION_KNOWN_MAX: Final = 40_000

# The front door of a copy (api/door, decision 0013).
# S14: a write is tried for so long before it goes to the reserve.
DOOR_TRY_S: Final = 2.0
# The journal counts as away when it was not heard for so long; then a request tries for less.
DOOR_AWAY_S: Final = 2.0
DOOR_TRY_AWAY_S: Final = 0.3
# What this copy can answer too, though not as new, is waited for so long; of a journal not heard, and silent of late, so long.
DOOR_READ_TRY_S: Final = 1.0
DOOR_READ_TRY_FIRST_S: Final = 0.15
DOOR_CONNECT_TIMEOUT_S: Final = 2.0
DOOR_ANSWER_MAX_S: Final = 45.0  # of a journal that is heard: its own limits end the longest search and write before
DOOR_UPLOAD_MAX_S: Final = 3_600.0
DOOR_PASSING_MAX: Final = 200
DOOR_KEPT_CONNECTIONS: Final = 32
# The journal closes an idle connection after KEEP_ALIVE_S.
DOOR_KEPT_S: Final = 8.0
# Reading one's own write: so long the copy waits for it, looking so often, before the journal is asked.
DOOR_WAIT_S: Final = 0.3
DOOR_LOOK_S: Final = 0.003
# S1: over this lag, what matters most comes from the journal, of each process so much at once.
DOOR_LAG_MAX_S: Final = 2.0
DOOR_LAGGING_MAX: Final = 8
# Sheets that the journal makes at once for copies that lag; who comes beyond is answered by the copy.
JOURNAL_SHEETS_MAX: Final = 4
# The reserve (copy/reserve, safety S10-S18). The journal is tried for so long; then the reserve, until it has committed for so
# long, asked each second; a longer gap than RESERVE_PROBE_GAP_S begins the count anew.
RESERVE_TRY_S: Final = 2.0
RESERVE_BACK_S: Final = 30.0
RESERVE_PROBE_S: Final = 1.0
RESERVE_PROBE_GAP_S: Final = 5.0
# Another copy holds an entry within this time, or it is not acknowledged.
RESERVE_HOLD_S: Final = 2.0
# Keys are kept by the journal for IDEMPOTENCY_DAYS: what is older could be done twice, and a person decides.
RESERVE_ENTRY_MAX_DAYS: Final = IDEMPOTENCY_DAYS - 5
# What a worker stored and did not acknowledge within this time, it never will: it has died.
RESERVE_UNHELD_S: Final = 30.0
RESERVE_LANES: Final = 4
RESERVE_LOOK_MAX: Final = 2_000
# Patients who are shown before a reserve number is given; allergies that an order is checked against.
RESERVE_CANDIDATES_MAX: Final = 20
# Reserve numbers that the page lists: who each may be is looked up anew.
RESERVE_NUMBERS_SHOWN_MAX: Final = 20
RESERVE_NUMBERS_SHOWN_DAYS: Final = 30
RESERVE_ALLERGIES_MAX: Final = 200
RESERVE_EXCHANGE_S: Final = 1.0
RESERVE_EXCHANGE_MAX: Final = 200
# A fault of the journal on one entry, so often: it is set aside for a person, so that it holds back no others.
RESERVE_FAULTS_MAX: Final = 5
# What counts as as new as usual when it is said that all is back.
RESERVE_LAG_NORMAL_S: Final = 2.0
RESERVE_RETRY_S: Final = 1.0
# Entries that are over stay so long, for who asks what became of them.
RESERVE_KEEP_DAYS: Final = IDEMPOTENCY_DAYS
# Drafts (decision 0018): so much of one text, so many texts of one person, so many branches of one draft. One that nobody
# touches goes after so long, before the journal forgets its key; that one is over is known so long, for copies that were away.
DRAFT_MAX_BYTES: Final = 64 * 1024
DRAFTS_MAX: Final = 100
DRAFT_BRANCHES_MAX: Final = 100
DRAFT_KEEP_DAYS: Final = 60
DRAFT_OVER_DAYS: Final = 14
DRAFT_EXCHANGE_MAX: Final = 20
# Two given doses of one drug closer than its order says; where no order says, than this.
DOSE_INTERVAL_S: Final = 4 * 3600
# The sheet (copy/sheet): what of a record stands on a patient's first page. Texts are cut, and say so.
SHEET_TEXT_MAX_CHARS: Final = 240
SHEET_NOTE_MAX_CHARS: Final = 700
SHEET_NOTES_MAX: Final = 40
SHEET_NOTES_HOURS: Final = 72
SHEET_ANALYSES_MAX: Final = 40
SHEET_VITALS_MAX: Final = 20
SHEET_LINES_MAX: Final = 60
SHEET_RECENT_MAX: Final = 5
SHEET_DOSES_HOURS: Final = 24
# A scheduled dose that nobody has told of is overdue so long after its time.
DOSE_GRACE_MIN: Final = 60
# A resource whose body is larger is not read for the sheet: it is told as one that cannot be shown.
SHEET_BODY_MAX_BYTES: Final = 8 * 1024 * 1024
# Of one owner and kind about one patient; what is older is counted as not shown.
SHEET_ENTRIES_MAX: Final = 5_000
SHEET_MAKE_BATCH: Final = 50
# What is applied waits no longer for sheets that are made.
SHEET_MAKE_S: Final = 0.03
# Joined bodies that a worker keeps, some 10 kB each; more where somebody asks for them as they are.
SHEET_CACHE_BYTES: Final = 64 * 1024 * 1024
# So long at most: what was redacted leaves memory too.
SHEET_KEPT_US: Final = 15 * 60 * 1_000_000
# Requests for sheets that a listener knows again: how many, 20 kB each with what they show, and how long they are themselves.
AGAIN_MAX: Final = 8_192
AGAIN_MAX_BYTES: Final = 8 * 1024
AGAIN_KEPT_S: Final = 60.0
# Names of units are asked for again so often.
UNIT_NAME_KEPT_S: Final = 60.0
WORKLIST_MAX: Final = 300
NOTES_FOUND_MAX: Final = 50
# Reading on a copy. A long read keeps the file's log from being emptied; what takes longer is the journal's.
COPY_SEARCH_TIMEOUT_S: Final = 1.0
# A copy that has not heard its journal for so long is not read from any more: weeks of a stop, not of a theft.
COPY_LEASE_DAYS: Final = 30.0
COPY_LEASE_LOOK_S: Final = 20.0
COPY_KEYS_LOOK_S: Final = 2.0
# What no journal has is made here, however long a file of a busy machine takes.
COPY_SHEET_TIMEOUT_S: Final = 5.0
COPY_PROGRESS_STEPS: Final = 20_000
COPY_SEARCHERS: Final = 2
COPY_SEARCHES_WAITING: Final = 256
# What is listed with more candidates than this is walked in its order instead, where one page is all that is asked for.
COPY_BROAD_MATCHES: Final = 20_000
# Consents and blocks that no journal has been heard about for so long are no longer relied on (S20).
COPY_CONSENTS_DAYS: Final = 7.0
# The read copy (decision 0013). A page cache belongs to one connection; an encrypted file is never memory-mapped.
COPY_WRITER_CACHE_BYTES: Final = 64 * 1024 * 1024
COPY_READER_CACHE_BYTES: Final = 32 * 1024 * 1024
COPY_PAGE_BYTES: Final = 4096
# A checkpoint each 64 MB of log; the log file is cut to this after one. What is written again and again goes to the file once.
COPY_WAL_BYTES: Final = 64 * 1024 * 1024
COPY_BUSY_TIMEOUT_MS: Final = 5_000
# A copy of some units' patients (decision 0015): how many units, how many patients at a time are taken in, how long until one
# that did not come is asked for again.
COPY_SCOPE_UNITS_MAX: Final = 50
COPY_SCOPE_YEARS: Final = 3.0
COPY_TAKING_AT_ONCE: Final = 4
COPY_TAKING_RETRY_S: Final = 2.0
# Who leaves a scope: so long after nothing made them one of its units' patients any more; how often it is looked, how many
# patients are looked at, or taken out, before the feed gets its turn, and above which rate of the feed none are.
COPY_LEAVE_AFTER_DAYS: Final = 30.0
COPY_LEAVE_FIRST_S: Final = 600.0
COPY_LEAVE_EVERY_S: Final = 24 * 3600.0
COPY_LEAVE_LOOK: Final = 10
COPY_LEAVE_AT_ONCE: Final = 20
COPY_LEAVE_PAUSE_S: Final = 0.1
COPY_LEAVE_QUIET_PER_S: Final = 50.0
# A line of the feed: a body of the largest size, every second byte of it a quotation mark, and what stands around it.
COPY_LINE_MAX_BYTES: Final = 2 * BODY_MAX_BYTES + 64 * 1024
# One commit while catching up.
COPY_BATCH_LINES: Final = 2_000
COPY_BATCH_BYTES: Final = 8 * 1024 * 1024
# A copy that holds no whole record yet and has read so many lines gets workers, and makes commits of these sizes instead.
COPY_WORKERS_AFTER_LINES: Final = 5_000
COPY_WORKERS_MAX: Final = 4
COPY_WORKER_LINES: Final = 500
COPY_WORKER_CHUNKS: Final = 24
COPY_PROGRESS_EVERY_S: Final = 10.0
COPY_FILL_LINES: Final = 10_000
COPY_FILL_BYTES: Final = 64 * 1024 * 1024
COPY_FILL_TOKENS: Final = 3_000_000
COPY_FILL_CACHE_BYTES: Final = 256 * 1024 * 1024
# Following. The journal sends something each second: a connection that says nothing for so long is given up.
COPY_SILENCE_S: Final = 10.0
COPY_CONNECT_TIMEOUT_S: Final = 2.0
COPY_WAIT_S: Final = 60
# The first wait after a failure, doubled up to the longest, each drawn at random from its upper half.
COPY_RETRY_MIN_S: Final = 0.1
COPY_RETRY_MAX_S: Final = 2.0
COPY_REFUSED_RETRY_S: Final = 15.0
# What is decompressed of the feed at a time: a kilobyte of zstd is 32 MB at most.
COPY_DECOMPRESS_BYTES: Final = 1024
# A mark alone is written this often; the board has it at once.
COPY_MARK_EVERY_S: Final = 10.0
# The same place answered wrongly so often before what stands there is set aside.
COPY_BROKEN_TRIES: Final = 3
# How far back a journal of another epoch is compared with what is held here, and how many versions at most.
COPY_COMPARE_S: Final = 600
COPY_COMPARE_MAX: Final = 5_000_000
# The brake (S30): more of a kind within a minute of the journal's time is no ordinary care. A region of a million people changes
# some 50 entries a second at its busiest, and deletes hardly any.
COPY_BRAKE_WINDOW_S: Final = 60
COPY_BRAKE_DELETES: Final = 500
COPY_BRAKE_UPDATES: Final = 20_000
# A file is read through for damage this often, one after a start.
COPY_CHECK_EVERY_S: Final = 24 * 3600.0
COPY_CHECK_AFTER_S: Final = 30.0
# Of what people did on a copy, in one commit.
OWN_TOGETHER_MAX: Final = 500
COPY_DISK_RETRY_S: Final = 2.0
COPY_CONTROL_LINE_BYTES: Final = 64 * 1024
COPY_CONTROL_WAIT_MAX_MS: Final = 5_000
COPY_SEED_CHUNK_BYTES: Final = 1024 * 1024
COPY_SEED_TIMEOUT_S: Final = 3_600.0

# Sheets are made anew at each commit, and looked for this often.
COPY_SHEETS_IDLE_S: Final = 1.0

# Ward snapshots (decision 0014). So long one may be used; the longest that can be asked for.
SNAPSHOT_HOURS: Final = 24.0
SNAPSHOT_MAX_HOURS: Final = 72.0
SNAPSHOT_PATIENTS_MAX: Final = 1_000
# A name whose snapshots were revoked is given none for so long: longer than a token can be valid.
SNAPSHOT_REVOKED_S: Final = 3_660 * 86_400
# A clock that stands further back than this behind what was seen already is not believed.
SNAPSHOT_CLOCK_SKEW_S: Final = 300
# The highest time seen is kept on disk this often, and revocation is asked about, at least.
SNAPSHOT_SEEN_EVERY_S: Final = 10.0
SNAPSHOT_ASK_EVERY_S: Final = 60.0
# How long a copy may take to make and send one.
SNAPSHOT_FETCH_S: Final = 600.0
# Reading what goes into one: of one moment, and so no longer than a reader may stay.
SNAPSHOT_READ_S: Final = 5.0
SNAPSHOT_LOOK_S: Final = 1.0
# One PDF of a print; a unit with more patients gets several.
PRINT_PATIENTS: Final = 40
PRINTS_KEPT: Final = 4
PRINT_KEPT_S: Final = 900.0
