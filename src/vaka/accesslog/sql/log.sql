-- The access log's tables.

-- name: lock_stream
-- One at a time puts runs of a stream into the tables.
SELECT pg_advisory_xact_lock(x'6c6f67'::int, hashtext(%(stream)s))

-- name: make_partition
-- The partition of the month that begins at {month}.
SELECT format('CREATE TABLE IF NOT EXISTS log.run_%%s PARTITION OF log.run FOR VALUES FROM (%%L) TO (%%L)',
              to_char(m, 'YYYY_MM'), m, m + interval '1 month')
FROM (SELECT date_trunc('month', %(at)s::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS m) AS month
WHERE to_regclass('log.run_' || to_char(m, 'YYYY_MM')) IS NULL

-- name: covered
-- Which blocks from one on are in the tables; a run has %(span)s blocks at most.
SELECT first_block, last_block FROM log.run
WHERE stream = %(stream)s AND first_block > %(first)s - %(span)s AND last_block >= %(first)s
  AND (%(last)s::bigint IS NULL OR first_block <= %(last)s) ORDER BY first_block

-- name: insert_run
INSERT INTO log.run (stream, first_block, last_block, chapter, records, began, ended, before, hash, patients, persons, content)
VALUES (%(stream)s, %(first)s, %(last)s, %(chapter)s, %(records)s, %(began)s, %(ended)s, %(before)s, %(hash)s,
        %(patients)s::bigint[], %(persons)s::bigint[], %(content)s)

-- name: insert_described
INSERT INTO log.described (stream, chapter, number, kind, content)
SELECT %(stream)s, %(chapter)s, number, kind, content
FROM unnest(%(numbers)s::int[], %(kinds)s::smallint[], %(contents)s::text[]) AS d(number, kind, content)
ON CONFLICT DO NOTHING

-- name: described
SELECT number, kind, content FROM log.described
WHERE stream = %(stream)s AND chapter = %(chapter)s AND (%(numbers)s::bigint[] IS NULL OR number = ANY (%(numbers)s::bigint[]))

-- name: put_head
-- Never backwards.
INSERT INTO log.head (stream, system, block, hash) VALUES (%(stream)s, %(system)s, %(block)s, %(hash)s)
ON CONFLICT (stream) DO UPDATE SET block = excluded.block, hash = excluded.hash, at = now()
WHERE log.head.block < excluded.block

-- name: head
SELECT block, hash FROM log.head WHERE stream = %(stream)s

-- name: system_of
SELECT system FROM log.head WHERE stream = %(stream)s

-- name: heads
-- age_s: since it was told of the newest block.
SELECT stream, system, block, hash, extract(epoch FROM now() - at)::float8 AS age_s FROM log.head ORDER BY stream

-- name: last_run
SELECT last_block, hash FROM log.run WHERE stream = %(stream)s ORDER BY first_block DESC LIMIT 1

-- name: runs_of
-- All of a stream in order, some at a time.
SELECT first_block, last_block, chapter, records, began, ended, before, hash, patients, persons, content
FROM log.run WHERE stream = %(stream)s AND first_block > %(after)s ORDER BY first_block LIMIT %(limit)s

-- name: streams
SELECT DISTINCT stream FROM log.run ORDER BY stream

-- name: forgotten
SELECT block, hash FROM log.forgotten WHERE stream = %(stream)s ORDER BY block DESC LIMIT 1

-- name: find_runs
-- Newest first, after a place. A record can be older than its block, by as long as nothing could be written: {until} is later
-- than what is asked for.
SELECT r.began, r.stream, r.first_block, r.chapter, r.content, coalesce(h.system, '') FROM log.run r
LEFT JOIN log.head h USING (stream)
WHERE (%(patients)s::bigint[] IS NULL OR r.patients && %(patients)s::bigint[])
  AND (%(person)s::bigint IS NULL OR r.persons @> ARRAY[%(person)s::bigint])
  AND (%(since)s::timestamptz IS NULL OR r.ended >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR r.began < %(until)s)
  AND (%(began)s::timestamptz IS NULL OR (r.began, r.stream, r.first_block) < (%(began)s, %(stream)s, %(first)s))
ORDER BY r.began DESC, r.stream DESC, r.first_block DESC LIMIT %(limit)s

-- name: kept_together
-- The keys under which the record of a patient is kept (S23).
WITH of AS (SELECT coalesce((SELECT a.root FROM alias a WHERE a.patient = %(patient)s), %(patient)s::bigint) AS root)
SELECT root FROM of UNION SELECT a.patient FROM alias a JOIN of ON a.root = of.root

-- name: kept_apart
-- With whom a patient's record was one for a while, and when: where it stood, and what stood in it.
SELECT patient, was_in, from_us, until_us FROM apart
WHERE patient = ANY(%(patients)s::bigint[]) OR was_in = ANY(%(patients)s::bigint[])

-- name: whose
-- Whose the resources of these versions are now.
SELECT v.seq, r.patient FROM version v JOIN resource r USING (rkey) WHERE v.seq = ANY(%(seqs)s::bigint[])

-- name: owners_of
-- Which of these owners have entries in the records of these patients.
SELECT DISTINCT patient, owner FROM resource
WHERE patient = ANY(%(patients)s::bigint[]) AND owner = ANY(%(owners)s::int[]) AND NOT deleted

-- name: find_run
SELECT r.began, r.stream, r.first_block, r.chapter, r.content, coalesce(h.system, '') FROM log.run r
LEFT JOIN log.head h USING (stream)
WHERE stream = %(stream)s AND r.first_block BETWEEN %(block)s - %(span)s AND %(block)s AND r.last_block >= %(block)s

-- name: put_review
INSERT INTO log.review (event, drawn, reviewer, verdict, comment, provider)
VALUES (%(event)s, %(drawn)s, %(reviewer)s, %(verdict)s, %(comment)s, %(provider)s) RETURNING review

-- name: reviews
SELECT review, at, event, drawn, reviewer, verdict, comment FROM log.review
WHERE %(provider)s::text IS NULL OR provider = %(provider)s ORDER BY review DESC LIMIT %(limit)s

-- name: reviewed
SELECT DISTINCT event FROM log.review WHERE event = ANY(%(events)s::text[])
  AND (%(provider)s::text IS NULL OR provider IS NULL OR provider = %(provider)s)

-- name: partitions
-- Months that are wholly before a time, oldest first.
SELECT c.oid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'log.run'::regclass AND c.relname < to_char(%(before)s::timestamptz AT TIME ZONE 'UTC', '"run_"YYYY_MM')
ORDER BY c.relname

-- name: partition_ends
-- The last block of each stream in a partition.
SELECT DISTINCT ON (stream) stream, last_block, hash FROM {partition} ORDER BY stream, last_block DESC

-- name: put_forgotten
INSERT INTO log.forgotten (stream, block, hash, before, who) VALUES (%(stream)s, %(block)s, %(hash)s, %(before)s, %(who)s)
ON CONFLICT DO NOTHING

-- name: forget_described
DELETE FROM log.described d
WHERE NOT EXISTS (SELECT 1 FROM log.run r WHERE r.stream = d.stream AND r.chapter = d.chapter)
  AND EXISTS (SELECT 1 FROM log.forgotten f WHERE f.stream = d.stream AND d.chapter <= f.block)
