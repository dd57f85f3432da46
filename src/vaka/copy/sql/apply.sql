-- name: standing
-- What stands under these keys (a JSON array).
SELECT rkey, type, id, version, epoch, updated_us, created, seq, xid, patient, owner, action, deleted, redacted, pending, indexed,
       hash, dictionary, body
FROM resource WHERE rkey IN (SELECT value FROM json_each(?))

-- name: put
INSERT INTO resource (rkey, type, id, version, epoch, updated_us, created, seq, xid, patient, owner, action, deleted, redacted,
                      pending, indexed, hash, dictionary, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
ON CONFLICT (rkey) DO UPDATE SET
    version = ?4, epoch = ?5, updated_us = ?6, created = ?7, seq = ?8, xid = ?9, patient = ?10, owner = ?11, action = ?12,
    deleted = ?13, redacted = ?14, pending = ?15, indexed = ?16, hash = ?17, dictionary = ?18, body = ?19

-- name: set_created
UPDATE resource SET created = ?2 WHERE rkey = ?1

-- name: drop
DELETE FROM resource WHERE rkey = ?

-- name: beneath
SELECT rkey, type, id, version, epoch, updated_us, created, seq, xid, patient, owner, action, deleted, redacted, 0, 1,
       hash, dictionary, body
FROM beneath WHERE rkey IN (SELECT value FROM json_each(?))

-- name: put_beneath
INSERT OR REPLACE INTO beneath (rkey, type, id, version, epoch, updated_us, created, seq, xid, patient, owner, action, deleted,
                                redacted, hash, dictionary, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?17, ?18, ?19)

-- name: drop_beneath
DELETE FROM beneath WHERE rkey = ?

-- name: token
INSERT OR IGNORE INTO token (key, rkey) VALUES (?, ?)

-- name: untoken
DELETE FROM token WHERE key = ? AND rkey = ?

-- name: more_of
SELECT rkey, key FROM token_more WHERE rkey IN (SELECT value FROM json_each(?))

-- name: more
INSERT OR IGNORE INTO token_more (rkey, key) VALUES (?, ?)

-- name: no_more
DELETE FROM token_more WHERE rkey = ?

-- name: date
INSERT OR IGNORE INTO search_date (rkey, param, low, high, edge) VALUES (?, ?, ?, ?, ?)

-- name: no_date
DELETE FROM search_date WHERE rkey = ?

-- name: quantity
INSERT OR IGNORE INTO search_quantity (rkey, param, key, unit, low, high, edge) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: no_quantity
DELETE FROM search_quantity WHERE rkey = ?

-- name: string
INSERT OR IGNORE INTO search_string (rkey, param, value, edge) VALUES (?, ?, ?, ?)

-- name: no_string
DELETE FROM search_string WHERE rkey = ?

-- name: words
INSERT INTO words (rowid, lexemes) VALUES (?, ?)

-- name: no_words
-- The lexemes must be those that were put in.
INSERT INTO words (words, rowid, lexemes) VALUES ('delete', ?, ?)

-- name: relation
INSERT OR IGNORE INTO care_relation (rkey, patient, unit, from_us, until_us) VALUES (?, ?, ?, ?, ?)

-- name: no_relation
DELETE FROM care_relation WHERE rkey = ?

-- name: block
INSERT INTO block (rkey, patient, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us,
                   lifted_until_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: no_block
DELETE FROM block WHERE rkey = ?

-- name: consent
INSERT OR IGNORE INTO consent (rkey, patient, receiver, from_us, until_us) VALUES (?, ?, ?, ?, ?)

-- name: no_consent
DELETE FROM consent WHERE rkey = ?

-- name: protect
INSERT OR IGNORE INTO protected (patient, rkey) VALUES (?, ?)

-- name: no_protected
DELETE FROM protected WHERE rkey = ?

-- name: places
-- Unit and provider of the owners of these resources.
SELECT r.rkey, o.unit, o.provider FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.rkey IN (SELECT value FROM json_each(?)) AND r.deleted = 0

-- name: found_by
-- The living resources that have one of these tokens.
SELECT DISTINCT t.rkey FROM token t JOIN resource r ON r.rkey = t.rkey
WHERE t.key IN (SELECT value FROM json_each(?)) AND r.deleted = 0

-- name: put_aside
-- Where a line does not tell whose it is, it is of whom the older version that stands is.
INSERT INTO aside (rkey, type, id, version, epoch, patient, owner, reason, line)
VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, (SELECT r.patient FROM resource r WHERE r.rkey = ?1 AND r.id = ?3)),
    coalesce(?7, (SELECT r.owner FROM resource r WHERE r.rkey = ?1 AND r.id = ?3)), ?8, ?9)
ON CONFLICT (rkey) DO UPDATE SET version = ?4, epoch = ?5, patient = excluded.patient, owner = excluded.owner, reason = ?8, line = ?9
WHERE (aside.epoch, aside.version) <= (?5, ?4)

-- name: no_aside
-- It can be interpreted again.
DELETE FROM aside WHERE rkey = ?1 AND (epoch, version) <= (?2, ?3)

-- name: count_aside
SELECT count(*) FROM aside

-- name: of_entry
SELECT rkey FROM resource WHERE pending = ?

-- name: of_entries
SELECT rkey FROM resource WHERE pending <> 0

-- name: id_of
SELECT id FROM resource WHERE rkey = ?

-- name: newest
-- The newest version that came from the feed: a cursor that the journal can be asked about.
SELECT epoch, xid, seq, hash, updated_us FROM resource WHERE pending = 0 AND (xid, seq) <= (?, ?) ORDER BY xid DESC, seq DESC LIMIT 1

-- name: before_time
-- The newest one at or before a place that is older than a time.
SELECT epoch, xid, seq, hash, updated_us FROM resource WHERE pending = 0 AND (xid, seq) <= (?, ?) AND updated_us <= ?
ORDER BY xid DESC, seq DESC LIMIT 1

-- name: held_after
-- What stands here of beyond a place of the feed, beneath reserve entries too.
SELECT rkey, epoch, version FROM resource WHERE pending = 0 AND (xid, seq) > (?1, ?2)
UNION ALL SELECT rkey, epoch, version FROM beneath WHERE (xid, seq) > (?1, ?2)

-- name: places_between
-- How many rows of the feed there are in a range of transactions, and one in the middle of it.
SELECT xid FROM resource WHERE pending = 0 AND xid > ?1 AND xid < ?2 ORDER BY xid LIMIT 1 OFFSET (
    SELECT count(*) / 2 FROM resource WHERE pending = 0 AND xid > ?1 AND xid < ?2
)

-- name: fact
SELECT value FROM fact WHERE name = ?

-- name: keep_fact
INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)

-- name: aliases
SELECT id, into_id FROM alias

-- name: cursor
SELECT epoch, xid, seq, hash, horizon_xid, horizon_us, whole FROM cursor

-- name: move
UPDATE cursor SET epoch = ?, xid = ?, seq = ?, hash = ?, horizon_xid = ?, horizon_us = ?, whole = ?

-- name: owner
SELECT unit, provider, kind, author, source FROM owner WHERE owner = ?

-- name: same_owner
SELECT owner FROM owner WHERE source = ? AND kind = ? AND unit IS ? AND provider IS ? AND author IS ? ORDER BY owner DESC LIMIT 1

-- name: own_number
-- The next number of this copy's own.
SELECT min(coalesce(min(owner), 0), 0) - 1 FROM owner

-- name: make_owner
INSERT INTO owner (owner, unit, provider, kind, author, source) VALUES (?, ?, ?, ?, ?, ?)

-- name: renumber_owner
UPDATE owner SET owner = ?2 WHERE owner = ?1

-- name: renumber_resources
UPDATE resource SET owner = ?2 WHERE owner = ?1

-- name: renumber_beneath
UPDATE beneath SET owner = ?2 WHERE owner = ?1
