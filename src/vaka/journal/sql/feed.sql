-- name: feed_page
-- Versions after a place, by one of the conditions below (traps: Feed), bounded in rows and bytes; the
-- size of a body is known without reading it.
SELECT v.xid, v.seq, v.epoch, r.type, r.id, v.version, v.updated_us, v.action, v.redacted, v.dictionary, v.hash, v.body,
       o.owner, o.unit, o.provider, o.kind, o.author, o.source, v.patient, p.id AS patient_id
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY xid, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (SELECT * FROM version WHERE {which}
          ORDER BY xid, seq LIMIT %(limit)s) AS page
) v
JOIN resource r ON r.rkey = v.rkey
JOIN owner o ON o.owner = v.owner
LEFT JOIN resource p ON p.rkey = v.patient
WHERE coalesce(v.before, 0) < %(limit_bytes)s
ORDER BY v.xid, v.seq

-- name: horizon
-- The oldest transaction that may still commit, how long it has run, and the current epoch and clock.
SELECT pg_snapshot_xmin(pg_current_snapshot()) AS horizon,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
                 WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()), 0)::float8 AS age_s,
       (SELECT max(epoch) FROM epoch) AS epoch, clock_timestamp() AS now

-- name: holds
-- Does this journal hold the cursor's row, with this hash?
SELECT hash FROM version WHERE xid = %(xid)s::xid8 AND seq = %(seq)s AND epoch = %(epoch)s

-- name: which_below
-- Of feed_page: all below the horizon.
(xid, seq) > (%(xid)s::xid8, %(seq)s) AND xid < %(horizon)s::xid8

-- name: which_of_patient
-- Of feed_page: all that stands in one patient's record or refers to the patient, between a place and the reader's own.
rkey IN (SELECT rkey FROM resource WHERE patient = %(patient)s AND NOT deleted
         UNION SELECT rkey FROM resource WHERE tokens && %(keys)s::bigint[] AND NOT deleted)
AND (xid, seq) > (%(xid)s::xid8, %(seq)s) AND (xid, seq) <= (%(until_xid)s::xid8, %(until_seq)s)
