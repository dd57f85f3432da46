-- name: brought_back
-- Which of the resources on the list have a body again in some version, or do not tell that they were redacted.
SELECT r.rkey FROM resource r JOIN unnest(%(keys)s::bigint[], %(types)s::smallint[]) AS k (rkey, type) USING (rkey, type)
JOIN version v ON v.seq = r.seq
WHERE v.action <> 4 OR EXISTS (SELECT 1 FROM version o WHERE o.rkey = r.rkey AND o.body IS NOT NULL)

-- name: tell
-- A version that says so, and makes it current: nothing finds the resource any more. The hash is that of no bytes.
WITH told AS (
    INSERT INTO version (seq, rkey, updated_us, patient, epoch, version, owner, type, action, dictionary, redacted, hash)
    SELECT nextval('version_seq'), r.rkey,
           greatest(r.updated_us + 1000, (extract(epoch FROM clock_timestamp()) * 1000)::bigint * 1000),
           r.patient, (SELECT max(epoch) FROM epoch), r.version + 1, r.owner, r.type, 4, 0, true, sha256('')
    FROM resource r WHERE r.rkey = ANY(%(keys)s::bigint[]) ORDER BY r.seq
    RETURNING rkey, seq, updated_us, version
)
UPDATE resource r SET seq = t.seq, updated_us = t.updated_us, version = t.version, deleted = true, tokens = '{}', words = NULL
FROM told t WHERE t.rkey = r.rkey

-- name: take_out
UPDATE version SET body = NULL, redacted = true WHERE rkey = ANY(%(keys)s::bigint[]) AND (body IS NOT NULL OR NOT redacted)

-- name: take_content
WITH content AS (DELETE FROM binary_content WHERE rkey = ANY(%(keys)s::bigint[]) RETURNING content)
DELETE FROM binary_chunk c USING content WHERE c.content = content.content

-- name: forget_dates
DELETE FROM search_date WHERE rkey = ANY(%(keys)s::bigint[])

-- name: forget_quantities
DELETE FROM search_quantity WHERE rkey = ANY(%(keys)s::bigint[])

-- name: forget_strings
DELETE FROM search_string WHERE rkey = ANY(%(keys)s::bigint[])

-- name: tables_there
-- A backup may be older than the tables of what a resource says about access, and of records law.
SELECT to_regclass('public.care_relation') IS NOT NULL, to_regclass('public.entry') IS NOT NULL

-- name: forget_facts
WITH a AS (DELETE FROM care_relation WHERE rkey = ANY(%(keys)s::bigint[])),
     b AS (DELETE FROM block WHERE rkey = ANY(%(keys)s::bigint[])),
     c AS (DELETE FROM consent WHERE rkey = ANY(%(keys)s::bigint[]))
DELETE FROM protected WHERE patient = ANY(%(keys)s::bigint[])

-- name: forget_entries
UPDATE entry SET owes = NULL WHERE rkey = ANY(%(keys)s::bigint[])
