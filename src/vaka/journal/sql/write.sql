-- name: lock_identities
-- Serialises writers that could make two resources of one identity; keys come sorted.
SELECT pg_advisory_xact_lock(k) FROM unnest(%(keys)s::bigint[]) AS k

-- name: lock_resources
-- The current state of what is about to be changed, locked in key order. No join: after a wait the row is newer than the
-- statement's snapshot, which would not hold the version that it names.
SELECT r.rkey, r.type, r.id, r.version, r.deleted, r.updated_us, r.seq, r.patient, r.owner
FROM resource r WHERE rkey = ANY(%(keys)s::bigint[]) ORDER BY rkey FOR UPDATE

-- name: lock_visible
-- The same of what a caller may know of, and of keys that an operation has ``decided`` about: who waited for the lock on what is
-- hidden would learn that it stands. Visible is asked of the snapshot, before any wait: after one, the row's new owner may not be in it.
SELECT l.rkey, l.type, l.id, l.version, l.deleted, l.updated_us, l.seq, l.patient, l.owner
FROM resource l
WHERE l.rkey = ANY(ARRAY(SELECT r.rkey FROM resource r
                         WHERE r.rkey = ANY(%(keys)s::bigint[]) AND (r.rkey = ANY(%(decided)s::bigint[]) OR {access})))
ORDER BY l.rkey FOR UPDATE OF l

-- name: epochs
SELECT seq, epoch FROM version WHERE seq = ANY(%(seqs)s::bigint[])

-- name: append
-- New versions and the resource rows that they make current; search rows of resources that are new (those of changed ones
-- are written by difference, below). Locks identities first, as every writer does.
WITH locked AS MATERIALIZED (
    SELECT count(*) FROM (SELECT pg_advisory_xact_lock(k) FROM unnest(%(identities)s::bigint[]) AS k) AS l
), input AS MATERIALIZED (
    SELECT nextval('version_seq') AS seq, i.*
    FROM unnest(%(rkey)s::bigint[], %(type)s::smallint[], %(id)s::text[], %(version)s::int[], %(updated_us)s::bigint[],
                %(patient)s::bigint[], %(owner)s::int[], %(action)s::smallint[], %(dictionary)s::smallint[],
                %(hash)s::bytea[], %(body)s::bytea[], %(tokens)s::text[], %(words)s::text[], %(new)s::boolean[])
         WITH ORDINALITY AS i (rkey, type, id, version, updated_us, patient, owner, action, dictionary, hash, body, tokens, words, new, n)
    WHERE (SELECT count FROM locked) >= 0
    ORDER BY n
), appended AS (
    INSERT INTO version (seq, rkey, updated_us, patient, epoch, version, owner, type, action, dictionary, hash, body)
    SELECT seq, rkey, updated_us, patient, %(epoch)s, version, owner, type, action, dictionary, hash, body FROM input
), created AS (
    INSERT INTO resource (rkey, seq, created, updated_us, patient, version, owner, type, deleted, id, tokens, words)
    SELECT rkey, seq, seq, updated_us, patient, version, owner, type, action >= 3, id, tokens::bigint[],
           CASE WHEN words <> '{}' THEN array_to_tsvector(words::text[]) END
    FROM input WHERE new
), changed AS (
    UPDATE resource r
    SET seq = i.seq, updated_us = i.updated_us, patient = i.patient, version = i.version, owner = i.owner,
        deleted = i.action >= 3, tokens = i.tokens::bigint[],
        words = CASE WHEN i.words <> '{}' THEN array_to_tsvector(i.words::text[]) END
    FROM input i WHERE NOT i.new AND r.rkey = i.rkey
), dates AS (
    INSERT INTO search_date (rkey, param, low, high, edge)
    SELECT * FROM unnest(%(d_rkey)s::bigint[], %(d_param)s::smallint[], %(d_low)s::bigint[], %(d_high)s::bigint[], %(d_edge)s::smallint[])
), quantities AS (
    INSERT INTO search_quantity (rkey, param, key, unit, low, high, edge)
    SELECT * FROM unnest(%(q_rkey)s::bigint[], %(q_param)s::smallint[], %(q_key)s::bigint[], %(q_unit)s::bigint[],
                         %(q_low)s::float8[], %(q_high)s::float8[], %(q_edge)s::smallint[])
), strings AS (
    INSERT INTO search_string (rkey, param, value, edge)
    SELECT * FROM unnest(%(s_rkey)s::bigint[], %(s_param)s::smallint[], %(s_value)s::text[], %(s_edge)s::smallint[])
),
-- include: facts.said
, entries AS (
    -- What each entry owes now; a result stands on the lists of who ordered it. follow 0: only where it is followed already.
    INSERT INTO entry (rkey, since, owes, unit, person)
    SELECT i.rkey, i.seq, e.owes, coalesce(q.unit, w.unit, w.provider), coalesce(e.person, q.person)
    FROM unnest(%(e_rkey)s::bigint[], %(e_owes)s::smallint[], %(e_person)s::text[], %(e_ordered)s::bigint[], %(e_follow)s::smallint[])
         AS e (rkey, owes, person, ordered, follow)
    JOIN input i ON i.rkey = e.rkey
    JOIN owner w ON w.owner = i.owner
    LEFT JOIN entry q ON q.rkey = e.ordered
    WHERE e.follow = 1 OR EXISTS (SELECT 1 FROM entry x WHERE x.rkey = e.rkey)
    ON CONFLICT (rkey) DO UPDATE SET since = excluded.since, owes = excluded.owes, unit = excluded.unit,
        person = excluded.person, signed_us = NULL, locked_us = NULL
)
SELECT seq, pg_current_xact_id()::text FROM input ORDER BY n

-- name: difference_dates
-- Rewrites the date rows of changed resources by difference: rows that stay are not touched.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(d_rkey)s::bigint[], %(d_param)s::smallint[], %(d_low)s::bigint[], %(d_high)s::bigint[], %(d_edge)s::smallint[])
         AS i (rkey, param, low, high, edge)
), gone AS (
    DELETE FROM search_date d WHERE d.rkey = ANY(%(changed)s::bigint[])
    AND NOT EXISTS (SELECT 1 FROM input i WHERE (i.rkey, i.param, i.low, i.high, i.edge) = (d.rkey, d.param, d.low, d.high, d.edge))
)
INSERT INTO search_date (rkey, param, low, high, edge)
SELECT rkey, param, low, high, edge FROM input i
WHERE NOT EXISTS (SELECT 1 FROM search_date d WHERE (i.rkey, i.param, i.low, i.high, i.edge) = (d.rkey, d.param, d.low, d.high, d.edge))

-- name: difference_quantities
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(q_rkey)s::bigint[], %(q_param)s::smallint[], %(q_key)s::bigint[], %(q_unit)s::bigint[],
                         %(q_low)s::float8[], %(q_high)s::float8[], %(q_edge)s::smallint[]) AS i (rkey, param, key, unit, low, high, edge)
), gone AS (
    DELETE FROM search_quantity d WHERE d.rkey = ANY(%(changed)s::bigint[])
    AND NOT EXISTS (SELECT 1 FROM input i WHERE (i.rkey, i.param, i.key, i.unit, i.low, i.high, i.edge)
                                              = (d.rkey, d.param, d.key, d.unit, d.low, d.high, d.edge))
)
INSERT INTO search_quantity (rkey, param, key, unit, low, high, edge)
SELECT rkey, param, key, unit, low, high, edge FROM input i
WHERE NOT EXISTS (SELECT 1 FROM search_quantity d WHERE (i.rkey, i.param, i.key, i.unit, i.low, i.high, i.edge)
                                                      = (d.rkey, d.param, d.key, d.unit, d.low, d.high, d.edge))

-- name: difference_strings
WITH input AS MATERIALIZED (
    SELECT * FROM unnest(%(s_rkey)s::bigint[], %(s_param)s::smallint[], %(s_value)s::text[], %(s_edge)s::smallint[])
         AS i (rkey, param, value, edge)
), gone AS (
    DELETE FROM search_string d WHERE d.rkey = ANY(%(changed)s::bigint[])
    AND NOT EXISTS (SELECT 1 FROM input i WHERE (i.rkey, i.param, i.value, i.edge) = (d.rkey, d.param, d.value, d.edge))
)
INSERT INTO search_string (rkey, param, value, edge)
SELECT rkey, param, value, edge FROM input i
WHERE NOT EXISTS (SELECT 1 FROM search_string d WHERE (i.rkey, i.param, i.value, i.edge) = (d.rkey, d.param, d.value, d.edge))

-- name: owner_of
-- Owners of resources that a new one belongs to (its encounter).
SELECT rkey, o.unit, o.provider FROM resource r JOIN owner o USING (owner) WHERE rkey = ANY(%(keys)s::bigint[]) AND NOT deleted

-- name: make_owner
INSERT INTO owner (unit, provider, kind, author, source)
VALUES (%(unit)s, %(provider)s, %(kind)s, %(author)s, %(source)s)
ON CONFLICT (unit, provider, kind, author, source) DO NOTHING

-- name: find_owner
SELECT owner FROM owner WHERE (unit, provider, kind, author, source)
    IS NOT DISTINCT FROM (%(unit)s::text, %(provider)s::text, %(kind)s::text, %(author)s::text, %(source)s::text)

-- name: remember_result
-- The result of a keyed request commits with its writes.
INSERT INTO idempotency (principal, key, request_hash, result) VALUES (%(principal)s, %(key)s, %(request_hash)s, %(result)s)

-- name: recall_result
SELECT request_hash, result FROM idempotency WHERE principal = %(principal)s AND key = %(key)s

-- name: places
-- Where versions stand in the feed, the last first: for who asks for what was written before.
SELECT epoch, xid::text, seq FROM version WHERE seq = ANY(%(seqs)s::bigint[]) ORDER BY xid DESC, seq DESC LIMIT 1

-- name: forget_results
DELETE FROM idempotency WHERE made < now() - make_interval(days => %(days)s)

-- name: redact
-- S26: the body goes, and streamed content with it; its hash stays; the resource is no longer found by anything.
WITH content AS (DELETE FROM binary_content WHERE rkey = %(rkey)s RETURNING content),
pieces AS (DELETE FROM binary_chunk c USING content WHERE c.content = content.content)
UPDATE version SET body = NULL, redacted = true WHERE rkey = %(rkey)s

-- name: write_probe
INSERT INTO probe (prober, at) VALUES (%(prober)s, clock_timestamp())
ON CONFLICT (prober) DO UPDATE SET at = clock_timestamp() RETURNING at

-- name: read_probe
SELECT at FROM probe WHERE prober = %(prober)s
