-- name: schema
-- own.db: what people did on this copy, and what of it the journal is still owed. Several processes write here; nothing rebuilds it.

-- What may be used once and was given out here (SHA-256).
CREATE TABLE IF NOT EXISTS spent (what BLOB PRIMARY KEY, until_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Sessions ended here. number: the order, never used again.
CREATE TABLE IF NOT EXISTS revocation (
    number INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL UNIQUE, person TEXT NOT NULL, at_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL
) STRICT;

-- Openings made here, and those that were closed here. handed: the journal has it, or (2) has refused it.
CREATE TABLE IF NOT EXISTS opening (
    opening TEXT PRIMARY KEY, patient INTEGER NOT NULL, person TEXT NOT NULL, unit TEXT NOT NULL, provider TEXT NOT NULL,
    what INTEGER NOT NULL, target TEXT, session TEXT NOT NULL, opened_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    closed_us INTEGER, handed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closing (opening TEXT PRIMARY KEY, closed_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- What the journal is owed, in order. key: what a later item of the same takes the place of while it waits. state: 0 waits, 1 done,
-- 2 refused (reason).
CREATE TABLE IF NOT EXISTS owed (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, what TEXT NOT NULL, key TEXT, at_us INTEGER NOT NULL,
    content TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0, reason TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS owed_waiting ON owed (number) WHERE state = 0;
CREATE UNIQUE INDEX IF NOT EXISTS owed_key ON owed (key) WHERE state = 0 AND key IS NOT NULL;


-- Runs of other copies' access logs, carried to the journal for them (api.peer.carried). state: 0 waits, 2 refused.
CREATE TABLE IF NOT EXISTS carried (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, state INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Why the journal refused one of them (until it is to go again).
CREATE TABLE IF NOT EXISTS carried_why (id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Of a PC with a ward snapshot: the latest time that was seen (clock), and when its snapshots were revoked (revoked).
CREATE TABLE IF NOT EXISTS seen (what TEXT PRIMARY KEY, at_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- name: seen
SELECT what, at_us FROM seen

-- name: see
INSERT INTO seen (what, at_us) VALUES (:what, :at_us) ON CONFLICT (what) DO UPDATE SET at_us = excluded.at_us

-- name: spend
INSERT OR IGNORE INTO spent VALUES (:what, :until_us) RETURNING 1

-- name: revoke
INSERT OR IGNORE INTO revocation (session, person, at_us, until_us) VALUES (:session, :person, :at_us, :until_us) RETURNING 1

-- name: revocations
SELECT number, session, person, at_us, until_us FROM revocation WHERE number > :after AND until_us > :now_us ORDER BY number

-- name: open
INSERT OR IGNORE INTO opening (opening, patient, person, unit, provider, what, target, session, opened_us, until_us)
VALUES (:opening, :patient, :person, :unit, :provider, :what, :target, :session, :opened_us, :until_us) RETURNING 1

-- name: close
UPDATE opening SET closed_us = coalesce(closed_us, :closed_us) WHERE opening = :opening

-- name: keep_closing
INSERT OR IGNORE INTO closing VALUES (:opening, :closed_us)

-- name: openings
SELECT opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us, handed FROM opening

-- name: closings
SELECT opening, closed_us FROM closing

-- name: owe
INSERT INTO owed (id, what, key, at_us, content) VALUES (:id, :what, :key, :at_us, :content)
ON CONFLICT (key) WHERE state = 0 AND key IS NOT NULL DO UPDATE SET at_us = excluded.at_us, content = excluded.content,
    id = excluded.id

-- name: owed
SELECT id, content FROM owed WHERE state = 0 ORDER BY number LIMIT :limit

-- name: waiting
SELECT count(*) FROM owed WHERE state = 0

-- name: settle
UPDATE owed SET state = :state, reason = :reason WHERE id = :id AND state = 0

-- name: handed
UPDATE opening SET handed = :handed WHERE opening IN (SELECT content ->> 'opening' FROM owed WHERE id = :id AND what = 'opened')

-- name: refused
SELECT id, what, at_us, reason FROM owed WHERE state = 2 ORDER BY number

-- name: carried_bytes
SELECT coalesce(sum(length(body)), 0) FROM carried

-- name: carry
INSERT OR IGNORE INTO carried (id, body) VALUES (:id, :body)

-- name: carried
SELECT id, body FROM carried WHERE state = 0 ORDER BY number LIMIT :limit

-- name: carried_taken
DELETE FROM carried WHERE id = :id

-- name: carried_refused
UPDATE carried SET state = 2 WHERE id = :id;
INSERT INTO carried_why VALUES (:id, :at_us, :reason) ON CONFLICT (id) DO UPDATE SET at_us = excluded.at_us, reason = excluded.reason;

-- name: carried_all
SELECT c.id, c.body, c.state, w.at_us, w.reason FROM carried c LEFT JOIN carried_why w USING (id) ORDER BY c.number

-- name: carried_again
UPDATE carried SET state = 0 WHERE state = 2 AND (:id IS NULL OR id = :id) RETURNING id

-- name: carried_why_gone
DELETE FROM carried_why WHERE id NOT IN (SELECT id FROM carried WHERE state = 2)

-- name: forget
DELETE FROM spent WHERE until_us < :now_us;
DELETE FROM revocation WHERE until_us < :now_us;
DELETE FROM opening WHERE until_us < :before_us AND handed <> 0;
DELETE FROM closing WHERE closed_us < :long_before_us;
DELETE FROM owed WHERE state = 1 AND at_us < :before_us;
