-- name: schema
-- What people have typed and not sent yet, in reserve.db. It never comes into record.db, and so onto no sheet, list or search.
CREATE TABLE IF NOT EXISTS draft (
    person TEXT NOT NULL,
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    patient TEXT NOT NULL,
    revision INTEGER NOT NULL,    -- raised by each change, for who exchanges
    changed_us INTEGER NOT NULL,
    texts INTEGER NOT NULL,       -- how many stand; 0: it is over, and keeps an older text of another copy from coming back
    content BLOB NOT NULL,        -- zstd of copy.reserve.draft.wire
    PRIMARY KEY (person, provider, id, patient)
) STRICT;
CREATE INDEX IF NOT EXISTS draft_revision ON draft (revision);
CREATE INDEX IF NOT EXISTS draft_changed ON draft (changed_us);
-- How far each other copy has been told.
CREATE TABLE IF NOT EXISTS draft_told (peer TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT;

-- name: of_id
SELECT content FROM draft WHERE person = :person AND provider = :provider AND id = :id ORDER BY patient

-- name: standing
-- A person's, the last changed first.
SELECT content FROM draft WHERE person = :person AND provider = :provider AND texts > 0 ORDER BY changed_us DESC, id

-- name: count
SELECT coalesce(sum(texts), 0) FROM draft WHERE person = :person AND provider = :provider

-- name: keep
INSERT INTO draft VALUES (:person, :provider, :id, :patient, :revision, :changed_us, :texts, :content)
ON CONFLICT (person, provider, id, patient) DO UPDATE SET revision = excluded.revision, changed_us = excluded.changed_us,
    texts = excluded.texts, content = excluded.content

-- name: untold
SELECT revision, content FROM draft WHERE revision > coalesce((SELECT revision FROM draft_told WHERE peer = :peer), 0)
ORDER BY revision LIMIT :limit

-- name: every
SELECT revision, content FROM draft WHERE revision > :after ORDER BY revision LIMIT :limit

-- name: told
INSERT INTO draft_told VALUES (:peer, :revision)
ON CONFLICT (peer) DO UPDATE SET revision = max(revision, excluded.revision)

-- name: forget
DELETE FROM draft WHERE changed_us < :before_us OR (texts = 0 AND changed_us < :over_before_us)
