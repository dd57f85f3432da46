-- name: rows
-- What stands of a patient, newest first, with whose it is; without its content where the reader does not see it.
SELECT r.type, r.id, r.rkey, r.seq, r.owner, o.kind, coalesce(o.provider, ''), coalesce(o.unit, ''), v.dictionary,
       CASE WHEN {access} THEN v.body END
FROM resource r JOIN owner o ON o.owner = r.owner JOIN version v ON v.seq = r.seq
WHERE r.patient = %(patient)s AND r.type = ANY(%(types)s::smallint[]) AND NOT r.deleted AND v.body IS NOT NULL
ORDER BY r.seq DESC LIMIT %(limit)s

-- name: named
-- What has a name: a unit, a place.
SELECT r.rkey, v.dictionary, v.body FROM resource r JOIN version v ON v.seq = r.seq
WHERE r.rkey = ANY(%(keys)s::bigint[]) AND NOT r.deleted AND v.body IS NOT NULL
