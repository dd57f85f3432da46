-- name: bound
-- What the law binds among the keys that are to be changed: signed or locked entries, and marks (kind 2).
SELECT rkey, 1 AS kind, signed_us, locked_us FROM entry
WHERE rkey = ANY(%(entries)s::bigint[]) AND (signed_us IS NOT NULL OR locked_us IS NOT NULL)
UNION ALL
SELECT rkey, 2, NULL, NULL FROM mark WHERE rkey = ANY(%(marks)s::bigint[])

-- name: redacted
-- Which of these deleted resources were redacted: their ids are never used again.
SELECT r.rkey FROM resource r JOIN version v ON v.seq = r.seq WHERE r.rkey = ANY(%(keys)s::bigint[]) AND v.action = 4

-- name: keep_mark
INSERT INTO mark (rkey, entry, seq, at_us, version, epoch, act, actor, detail)
VALUES (%(rkey)s, %(entry)s, %(seq)s, %(at_us)s, %(version)s, %(epoch)s, %(act)s, %(actor)s, %(detail)s)
ON CONFLICT (rkey) DO NOTHING

-- name: apply_mark
-- What a mark on the current version settles: 1 sign, 4 lock, 5 received, 6 read, 7 acted on, 9 and 10 annulled, which locks too
-- (access.law.Act). A mark on an older version settles nothing (S17).
INSERT INTO entry AS t (rkey, since, signed_us, locked_us, owes, unit, person)
SELECT r.rkey, r.seq, CASE WHEN %(act)s = 1 THEN %(at_us)s::bigint END, CASE WHEN %(act)s IN (4, 9, 10) THEN %(at_us)s::bigint END,
       CASE %(act)s WHEN 5 THEN 11 WHEN 6 THEN 12 END, w.unit, NULL
FROM resource r JOIN version v ON v.seq = r.seq JOIN owner w ON w.owner = r.owner
WHERE r.rkey = %(entry)s AND NOT r.deleted AND v.version = %(version)s AND v.epoch = %(epoch)s
ON CONFLICT (rkey) DO UPDATE SET
    signed_us = coalesce(t.signed_us, excluded.signed_us),
    locked_us = coalesce(t.locked_us, excluded.locked_us),
    owes = CASE WHEN %(act)s = 1 THEN nullif(t.owes, 1)
                WHEN %(act)s = 5 AND t.owes = 10 THEN 11
                WHEN %(act)s = 6 AND t.owes IN (10, 11) THEN 12
                WHEN %(act)s = 7 AND t.owes >= 10 THEN NULL
                ELSE t.owes END

-- name: entry
SELECT since, signed_us, locked_us, owes, unit, person FROM entry WHERE rkey = %(rkey)s

-- name: actors
-- Who has made marks of this kind on what the entry says now.
SELECT m.actor FROM mark m JOIN entry e ON e.rkey = m.entry
WHERE m.entry = %(entry)s AND m.act = %(act)s AND m.seq > e.since ORDER BY m.seq

-- name: latest_mark
SELECT rkey, actor, at_us, detail FROM mark WHERE entry = %(entry)s AND act = %(act)s ORDER BY seq DESC LIMIT 1

-- name: first_saved
-- What was written during a stop (17) was saved by the copy, what was given back (18) by the journal that lost it.
SELECT least((SELECT updated_us FROM version WHERE rkey = %(rkey)s ORDER BY seq LIMIT 1),
             (SELECT min(at_us) FROM mark WHERE entry = %(rkey)s AND act IN (17, 18)))

-- name: owned
SELECT unit, provider, kind FROM owner WHERE owner = %(owner)s

-- name: mark_resource
SELECT id FROM resource WHERE rkey = %(rkey)s

-- name: owed
-- One page of a list, longest waiting first: for each kind of debt the first rows of its index range, then the first of those.
SELECT x.*, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body
FROM (
    SELECT q.* FROM unnest(%(owes)s::smallint[]) AS k (owes) CROSS JOIN LATERAL (
        SELECT e.since, e.owes, r.rkey, r.type, r.id, r.seq, r.patient, r.owner, {rule} AS rule
        FROM entry e JOIN resource r ON r.rkey = e.rkey
        WHERE {whose} AND e.owes = k.owes AND e.since > %(after)s AND NOT r.deleted AND {access}
        ORDER BY e.since LIMIT %(limit)s
    ) q ORDER BY q.since LIMIT %(limit)s
) x JOIN version v ON v.seq = x.seq
ORDER BY x.since

-- name: aliases
SELECT patient, id, into_patient, into_id FROM alias

-- name: add_alias
INSERT INTO alias (patient, id, into_patient, into_id, root)
VALUES (%(patient)s, %(id)s, %(into_patient)s, %(into_id)s, %(into_patient)s)

-- name: set_root
UPDATE alias SET root = %(root)s WHERE patient = %(patient)s AND root <> %(root)s

-- name: end_alias
DELETE FROM alias WHERE patient = %(patient)s AND into_patient = %(into_patient)s

-- name: keep_apart
-- The record that the patient's entries, and those given back to it before, stood in for a while.
INSERT INTO apart (patient, was_in, from_us, until_us)
SELECT %(patient)s, w.was_in, w.from_us, w.until_us
FROM (SELECT %(was_in)s::bigint AS was_in, %(from_us)s::bigint AS from_us, %(until_us)s::bigint AS until_us
      UNION SELECT was_in, from_us, until_us FROM apart WHERE patient = %(was_in)s AND was_in <> %(patient)s) w
ON CONFLICT DO NOTHING

-- name: proposal
-- The newest proposal to merge this patient into that, unless it has expired or was carried out since.
SELECT rkey, actor FROM mark m
WHERE entry = %(entry)s AND act = 11 AND detail = %(detail)s AND at_us > %(since_us)s
  AND NOT EXISTS (SELECT 1 FROM mark d WHERE d.entry = m.entry AND d.act = 12 AND d.seq > m.seq)
ORDER BY seq DESC LIMIT 1

-- name: merged_versions
-- The mark by which this patient was merged into that.
SELECT rkey FROM mark WHERE entry = %(entry)s AND act = 12 AND detail = %(detail)s ORDER BY seq DESC LIMIT 1

-- name: belonging
SELECT rkey FROM resource WHERE patient = %(patient)s AND NOT deleted ORDER BY seq LIMIT %(limit)s

-- name: deleted_since
-- What was deleted from a patient's record from a time on: the last version of each that has a body.
SELECT DISTINCT ON (r.rkey) r.rkey, r.type, r.id, v.version, v.epoch
FROM version d JOIN resource r ON r.rkey = d.rkey JOIN version v ON v.rkey = d.rkey
WHERE d.updated_us >= %(since_us)s AND d.action >= 3 AND d.patient = %(patient)s AND r.deleted AND r.patient = %(patient)s
  AND v.body IS NOT NULL
ORDER BY r.rkey, v.seq DESC

-- name: give_back_deleted
UPDATE resource SET patient = %(home)s WHERE rkey = %(rkey)s AND deleted

-- name: left_behind
-- Merged patients in whose record something still stands.
SELECT a.id FROM alias a WHERE EXISTS (SELECT 1 FROM resource r WHERE r.patient = a.patient AND NOT r.deleted)

-- name: entries_of_marks
SELECT rkey, entry FROM mark WHERE rkey = ANY(%(keys)s::bigint[])
