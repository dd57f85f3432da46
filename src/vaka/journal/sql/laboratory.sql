-- name: alike
-- What stands of these patients under a laboratory's identifiers, the newest first.
SELECT r.rkey FROM resource r
WHERE r.tokens && %(keys)s::bigint[] AND r.patient = ANY(%(patients)s::bigint[]) AND r.type = ANY(%(types)s::smallint[])
  AND NOT r.deleted
ORDER BY r.seq DESC LIMIT %(limit)s

-- name: standing
-- What is about to be changed, locked already.
SELECT r.rkey, v.dictionary, v.body FROM resource r JOIN version v ON v.seq = r.seq
WHERE r.rkey = ANY(%(keys)s::bigint[]) AND v.body IS NOT NULL

-- name: settle
-- A result that a later version stands beside is on no list: of those on the same unit's, of the same owner, so that who had the one
-- on a list has the other.
UPDATE entry e SET owes = NULL
FROM unnest(%(earlier)s::bigint[], %(later)s::bigint[]) AS p (earlier, later)
JOIN entry n ON n.rkey = p.later
JOIN resource a ON a.rkey = p.earlier JOIN owner oa ON oa.owner = a.owner
JOIN resource b ON b.rkey = p.later JOIN owner ob ON ob.owner = b.owner
WHERE e.rkey = p.earlier AND e.owes >= 10 AND e.unit IS NOT DISTINCT FROM n.unit
  AND (oa.unit, oa.provider) IS NOT DISTINCT FROM (ob.unit, ob.provider)
