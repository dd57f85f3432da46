-- name: schema
-- Versions that this copy had and the journal lost. line: as the feed gave it, JSON. given: when it went into the reserve, microseconds since 1970 UTC.
CREATE TABLE IF NOT EXISTS lost (
    rkey INTEGER NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
    seq INTEGER NOT NULL, line BLOB NOT NULL, found_us INTEGER NOT NULL, given_us INTEGER,
    PRIMARY KEY (rkey, epoch, version, hash)
) STRICT, WITHOUT ROWID;

-- name: add
INSERT OR IGNORE INTO lost (rkey, epoch, version, hash, type, id, seq, line, found_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: waiting
SELECT rkey, epoch, version, hash, line FROM lost WHERE given_us IS NULL ORDER BY epoch, seq LIMIT ?

-- name: count
SELECT count(*) FROM lost WHERE given_us IS NULL

-- name: given
UPDATE lost SET given_us = ? WHERE rkey = ? AND epoch = ? AND version = ? AND hash = ?
