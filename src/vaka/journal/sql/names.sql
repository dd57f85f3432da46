-- What the access log's numbers stand for.

-- name: resources
SELECT rkey, type, id FROM resource WHERE rkey = ANY(%(keys)s::bigint[])

-- name: versions
SELECT v.seq, r.type, r.id, v.version, v.epoch FROM version v JOIN resource r USING (rkey) WHERE v.seq = ANY(%(seqs)s::bigint[])

-- name: owners
SELECT owner, unit, provider, kind FROM owner WHERE owner = ANY(%(numbers)s::int[])

-- name: owners_of
-- All owners of one provider.
SELECT owner FROM owner WHERE provider = %(provider)s

-- name: protected
SELECT patient FROM protected WHERE patient = ANY(%(keys)s::bigint[])

-- name: related
SELECT patient, unit, at FROM unnest(%(patients)s::bigint[], %(units)s::text[], %(times)s::bigint[]) AS a(patient, unit, at)
WHERE EXISTS (SELECT 1 FROM care_relation c
              WHERE c.patient = a.patient AND c.unit = a.unit AND a.at >= c.from_us AND a.at < c.until_us)

-- name: emergencies
-- Under all ids of the record, and of records that it stood in: who is meant, is told by the log.
SELECT person, unit, opened_us, least(until_us, coalesce(closed_us, until_us)) FROM opening
WHERE what = 3 AND patient IN (
    SELECT %(patient)s::bigint
    UNION SELECT root FROM alias WHERE patient = %(patient)s
    UNION SELECT a.patient FROM alias a WHERE a.root = coalesce((SELECT x.root FROM alias x WHERE x.patient = %(patient)s), %(patient)s)
    UNION SELECT was_in FROM apart WHERE patient = %(patient)s)
