-- name: schema
-- What was written here while the journal was away, and what is held for other copies. Never rebuilt from anything: it is the only place.
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they came in here, never reused
    id TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,                      -- the copy that took it
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    state INTEGER NOT NULL,                    -- copy.reserve.entry.State
    revision INTEGER NOT NULL DEFAULT 0,       -- raised by each change of state, for who exchanges
    recorded_us INTEGER NOT NULL,
    closed_us INTEGER,
    copies INTEGER NOT NULL DEFAULT 1,
    faults INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '{}',
    content BLOB NOT NULL                      -- zstd of copy.reserve.entry.wire
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS entry_key ON entry (principal, key) WHERE state <> 6;
CREATE INDEX IF NOT EXISTS entry_open ON entry (number) WHERE state IN (0, 1, 4);
CREATE INDEX IF NOT EXISTS entry_state ON entry (state);
CREATE INDEX IF NOT EXISTS entry_revision ON entry (revision);
CREATE TABLE IF NOT EXISTS of_patient (patient TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (patient, number)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_patient_number ON of_patient (number);
CREATE TABLE IF NOT EXISTS of_resource (name TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, number)) STRICT, WITHOUT ROWID;
-- How far each other copy has been told of ours (told) and we of its (heard).
CREATE TABLE IF NOT EXISTS peer (peer TEXT PRIMARY KEY, told INTEGER NOT NULL DEFAULT 0, heard_us INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS mode (
    one INTEGER PRIMARY KEY CHECK (one = 1), mode TEXT NOT NULL, since_s REAL NOT NULL, good_since_s REAL, good_s REAL,
    by TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
-- What the mode was, and who changed it why (S31).
CREATE TABLE IF NOT EXISTS mode_change (at_us INTEGER NOT NULL, mode TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
-- Programs of which a write was not taken, and what was taken since (S35, copy.reserve.programs).
CREATE TABLE IF NOT EXISTS program (
    name TEXT PRIMARY KEY, since_us INTEGER NOT NULL, away_us INTEGER NOT NULL, taken_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Reserve numbers, each recorded before it is used, never reused (S18). ground: what was known of the person.
CREATE TABLE IF NOT EXISTS range (kind TEXT PRIMARY KEY, copy INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS given (
    copy INTEGER NOT NULL, kind TEXT NOT NULL, serial INTEGER NOT NULL, value TEXT NOT NULL UNIQUE, at_us INTEGER NOT NULL,
    by TEXT NOT NULL, ground TEXT NOT NULL, PRIMARY KEY (copy, kind, serial)
) STRICT;
-- The last revision given.
CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO counter VALUES (1, 0);

-- name: revise
UPDATE counter SET revision = revision + 1 RETURNING revision

-- name: add
INSERT INTO entry (id, origin, principal, key, state, revision, recorded_us, copies, reason, result, content)
VALUES (:id, :origin, :principal, :key, :state, :revision, :recorded_us, :copies, :reason, :result, :content) RETURNING number

-- name: add_patient
INSERT OR IGNORE INTO of_patient VALUES (:patient, :number)

-- name: add_resource
INSERT OR IGNORE INTO of_resource VALUES (:name, :number)

-- name: by_key
SELECT number, origin, state, copies, reason, result, content FROM entry WHERE principal = :principal AND key = :key AND state <> 6

-- name: by_id
SELECT number, origin, state, copies, reason, result, content FROM entry WHERE id = :id

-- name: by_number
SELECT number, origin, state, copies, reason, result, content FROM entry WHERE number = :number

-- name: open
-- What the journal does not have yet, or refused, in the order in which it came in.
SELECT number, origin, state, copies, reason, result, content FROM entry
WHERE state IN (0, 1, 4) AND state IN (SELECT value FROM json_each(:states)) AND number > :after ORDER BY number LIMIT :limit

-- name: open_numbers
SELECT number, origin, state FROM entry WHERE state IN (0, 1, 4) ORDER BY number LIMIT :limit

-- name: open_beside
-- The first that wait to go from here, and what else is open before them that they may wait for: of the same patients, or of nobody.
WITH ours AS MATERIALIZED (
    SELECT number FROM entry
    WHERE state IN (0, 1, 4) AND state = 1 AND origin IN (SELECT value FROM json_each(:whose)) ORDER BY number LIMIT :limit
), beside AS MATERIALIZED (
    SELECT o.number FROM of_patient o WHERE o.patient IN (SELECT w.patient FROM of_patient w WHERE w.number IN ours)
)
SELECT e.number, e.origin, e.state FROM entry e
WHERE e.state IN (0, 1, 4) AND e.number <= (SELECT max(number) FROM ours)
  AND (e.number IN beside OR NOT EXISTS (SELECT 1 FROM of_patient o WHERE o.number = e.number))
ORDER BY e.number

-- name: has
SELECT EXISTS (SELECT 1 FROM entry WHERE state IN (SELECT value FROM json_each(:states)))

-- name: listed
SELECT number, origin, state, copies, reason, result, content FROM entry
WHERE state IN (SELECT value FROM json_each(:states)) AND number > :after ORDER BY number LIMIT :limit

-- name: newest_of_resource
-- The newest open entry that creates or changes a resource: what is shown of it.
SELECT e.number, e.origin, e.state, e.copies, e.reason, e.result, e.content FROM of_resource o JOIN entry e ON e.number = o.number
WHERE o.name = :name AND e.state IN (1, 4) ORDER BY o.number DESC LIMIT 1

-- name: open_of_resource
-- All of them, newest first.
SELECT e.number, e.origin, e.state, e.copies, e.reason, e.result, e.content FROM of_resource o JOIN entry e ON e.number = o.number
WHERE o.name = :name AND e.state IN (1, 4) ORDER BY o.number DESC

-- name: waits
-- Whether something of these patients waits to be handed over: what was refused waits for a person, and holds back nobody.
SELECT EXISTS (SELECT 1 FROM json_each(:patients) p JOIN of_patient o ON o.patient = p.value JOIN entry e ON e.number = o.number
               WHERE e.state IN (0, 1))

-- name: shows
-- Whether something of this patient is shown that the journal does not have.
SELECT EXISTS (SELECT 1 FROM of_patient o JOIN entry e ON e.number = o.number WHERE o.patient = :patient AND e.state IN (0, 1, 4))

-- name: count_states
SELECT state, count(*) FROM entry GROUP BY state

-- name: programs
SELECT name, since_us, away_us, taken_us FROM program WHERE away_us >= :since_us ORDER BY since_us

-- name: program
SELECT name, since_us, away_us, taken_us FROM program WHERE name = :name

-- name: keep_program
INSERT OR REPLACE INTO program VALUES (:name, :since_us, :away_us, :taken_us)

-- name: forget_programs
DELETE FROM program WHERE away_us < :before_us

-- name: become
-- Only what is not over yet: a state that is over never changes but by a person.
UPDATE entry SET state = :state, reason = :reason, result = :result, revision = :revision, closed_us = :closed_us
WHERE number = :number AND state IN (SELECT value FROM json_each(:from))

-- name: held
UPDATE entry SET copies = max(copies, :copies), state = max(state, 1), revision = :revision WHERE number = :number AND state IN (0, 1)

-- name: adopt
-- Acknowledged here too: whoever took it first may never know, and withdraw it. Handed over by both it is done once, by its key.
UPDATE entry SET origin = :origin, state = max(state, 1), copies = max(copies, 2), revision = :revision
WHERE number = :number AND state IN (0, 1, 6)

-- name: take_over
-- From a copy that has gone dark: nobody else hands it over any more. What was refused stays so, for a person here.
UPDATE entry SET origin = :origin, state = CASE state WHEN 4 THEN 4 ELSE 1 END, revision = :revision
WHERE number = :number AND state IN (0, 1, 4, 6)

-- name: fault
UPDATE entry SET faults = faults + 1 WHERE number = :number RETURNING faults

-- name: withdraw_unheld
-- At a start: what was stored and never acknowledged, one at a time: each change has a revision of its own.
UPDATE entry SET state = 6, revision = :revision, closed_us = :closed_us
WHERE number = (SELECT min(number) FROM entry WHERE state = 0 AND origin = :origin AND recorded_us < :before_us)

-- name: changed_since
-- Of our own: what another copy has not been told.
SELECT number, origin, state, copies, reason, result, content, revision FROM entry
WHERE origin = :origin AND revision > :told AND state <> 0 ORDER BY revision LIMIT :limit

-- name: told
SELECT told FROM peer WHERE peer = :peer

-- name: keep_told
INSERT INTO peer (peer, told, heard_us) VALUES (:peer, :told, :now_us)
ON CONFLICT (peer) DO UPDATE SET told = max(told, excluded.told), heard_us = excluded.heard_us

-- name: peers
SELECT peer, told, heard_us FROM peer ORDER BY peer

-- name: forget
DELETE FROM entry WHERE state IN (2, 3, 5, 6) AND closed_us < :before_us

-- name: forget_of
DELETE FROM of_patient WHERE number NOT IN (SELECT number FROM entry)

-- name: forget_resources
DELETE FROM of_resource WHERE number NOT IN (SELECT number FROM entry)

-- name: mode
SELECT mode, since_s, good_since_s, good_s, by, reason FROM mode WHERE one = 1

-- name: set_mode
INSERT INTO mode VALUES (1, :mode, :since_s, :good_since_s, :good_s, :by, :reason)
ON CONFLICT (one) DO UPDATE SET mode = excluded.mode, since_s = excluded.since_s, good_since_s = excluded.good_since_s,
    good_s = excluded.good_s, by = excluded.by, reason = excluded.reason

-- name: note_mode
INSERT INTO mode_change VALUES (:at_us, :mode, :by, :reason)

-- name: mode_changes
SELECT at_us, mode, by, reason FROM mode_change ORDER BY rowid DESC LIMIT :limit

-- name: range
SELECT copy FROM range WHERE kind = :kind

-- name: set_range
INSERT INTO range VALUES (:kind, :copy) ON CONFLICT (kind) DO UPDATE SET copy = excluded.copy

-- name: last_given
SELECT max(serial) FROM given WHERE copy = :copy AND kind = :kind

-- name: give
INSERT INTO given VALUES (:copy, :kind, :serial, :value, :at_us, :by, :ground)

-- name: given
SELECT value, ground FROM given WHERE kind = :kind AND by = :by AND ground ->> '$.key' = :key

-- name: numbers
-- Numbers that were given to somebody, or (null) to anybody, since a time.
SELECT kind, value, at_us, by, ground FROM given WHERE at_us >= :since_us AND (:by IS NULL OR by = :by)
ORDER BY at_us DESC, value LIMIT :limit
