-- name: tables
-- Whether there is a record to look at: a backup may be older than the first migration.
SELECT to_regclass('public.version') IS NOT NULL
-- name: count_versions
-- Reads every row of every version, body included, so that no page is left unread.
SELECT count(*), coalesce(sum(octet_length(body)), 0), coalesce(max(seq), 0) FROM version
-- name: orphans
-- Resources whose current version is not there, or is another's: none in a sound record.
SELECT count(*) FROM resource r LEFT JOIN version v ON v.seq = r.seq AND v.rkey = r.rkey WHERE v.seq IS NULL
-- name: last_change
-- When the newest version was written, in microseconds since 1970; null in an empty record.
SELECT max(updated_us) FROM resource
-- name: write_probe
-- A real write, told apart from the last one.
INSERT INTO fact VALUES ('restored', %(value)s) ON CONFLICT (name) DO UPDATE SET value = excluded.value
-- name: read_probe
-- What was written must be there for another session.
SELECT value FROM fact WHERE name = 'restored'
