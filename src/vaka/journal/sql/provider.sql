-- name: belonging
-- The next resources, by key, whose current version a provider owns.
SELECT r.rkey FROM resource r JOIN owner o ON o.owner = r.owner
WHERE o.provider = %(provider)s AND r.rkey > %(after)s ORDER BY r.rkey LIMIT %(limit)s

-- name: count_belonging
SELECT count(*) FROM resource r JOIN owner o ON o.owner = r.owner WHERE o.provider = %(provider)s

-- name: versions
-- All versions of these resources, in order, with the columns of feed_page.
SELECT v.xid, v.seq, v.epoch, r.type, r.id, v.version, v.updated_us, v.action, v.redacted, v.dictionary, v.hash, v.body,
       o.owner, o.unit, o.provider, o.kind, o.author, o.source, v.patient, p.id AS patient_id
FROM version v JOIN resource r ON r.rkey = v.rkey JOIN owner o ON o.owner = v.owner
LEFT JOIN resource p ON p.rkey = v.patient
WHERE v.rkey = ANY(%(keys)s::bigint[]) ORDER BY v.rkey, v.seq

-- name: to_delete
-- The next of them that are to go and have not gone: not the directory, and no Patient, who is the region's. With how many versions there
-- are, and the hash of the newest.
SELECT r.rkey, r.type, r.id, v.hash, (SELECT count(*) FROM version n WHERE n.rkey = r.rkey)
FROM resource r JOIN owner o ON o.owner = r.owner JOIN version v ON v.seq = r.seq
WHERE o.provider = %(provider)s AND r.rkey > %(after)s AND v.action <> 4
  AND o.kind NOT IN ('directory', 'definition') AND r.type <> %(patient)s
ORDER BY r.rkey LIMIT %(limit)s

-- name: count_to_delete
SELECT count(*) FROM resource r JOIN owner o ON o.owner = r.owner JOIN version v ON v.seq = r.seq
WHERE o.provider = %(provider)s AND v.action <> 4 AND o.kind NOT IN ('directory', 'definition') AND r.type <> %(patient)s
