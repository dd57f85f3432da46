-- name: read_current
-- Current versions of several resources at once.
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       v.patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), {rule}
FROM resource r JOIN version v ON v.seq = r.seq
WHERE r.rkey = ANY(%(keys)s::bigint[]) AND {access}

-- name: read_current_for
-- The same for many people at once, each through the rules for that person; by which rule. OFFSET keeps PostgreSQL from asking
-- them twice.
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       v.patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), a.rule, q.n
FROM unnest(%(keys)s::bigint[], %(units)s::text[], %(providers)s::text[], %(people)s::text[])
     WITH ORDINALITY AS q (rkey, unit, provider, person, n)
JOIN resource r ON r.rkey = q.rkey JOIN version v ON v.seq = r.seq
CROSS JOIN LATERAL (SELECT {rule} AS rule OFFSET 0) a
WHERE a.rule > 0

-- name: read_versions
-- Versions by their sequence numbers.
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       {origin} AS patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), {rule}
FROM version v JOIN resource r USING (rkey)
WHERE v.seq = ANY(%(seqs)s::bigint[]) AND {access}

-- name: read_version
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       {origin} AS patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), {rule}
FROM version v JOIN resource r USING (rkey)
WHERE v.rkey = %(rkey)s AND v.version = %(version)s AND v.epoch = %(epoch)s AND {access}

-- name: history_instance
-- Newest first. at_us: only what was current then or later, so nothing that had a successor at that time.
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       {origin} AS patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), {rule}
FROM version v JOIN resource r USING (rkey)
WHERE v.rkey = %(rkey)s AND v.seq < %(before)s AND v.updated_us >= %(since_us)s AND v.updated_us < %(until_us)s
    AND (%(at_us)s::bigint IS NULL
         OR NOT EXISTS (SELECT 1 FROM version n WHERE n.rkey = v.rkey AND n.seq > v.seq AND n.updated_us <= %(at_us)s::bigint))
    AND {access}
ORDER BY v.seq DESC LIMIT %(limit)s

-- name: history_type
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       {origin} AS patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), {rule}
FROM version v JOIN resource r USING (rkey)
WHERE v.type = %(type)s AND v.seq < %(before)s AND v.updated_us >= %(since_us)s AND v.updated_us < %(until_us)s
    AND (%(at_us)s::bigint IS NULL
         OR NOT EXISTS (SELECT 1 FROM version n WHERE n.rkey = v.rkey AND n.seq > v.seq AND n.updated_us <= %(at_us)s::bigint))
    AND {access}
ORDER BY v.seq DESC LIMIT %(limit)s

-- name: history_system
SELECT r.rkey, r.type, r.id, v.version, v.epoch, v.updated_us, v.action, v.redacted, v.dictionary, v.body, v.seq,
       {origin} AS patient, v.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey), {rule}
FROM version v JOIN resource r USING (rkey)
WHERE v.seq < %(before)s AND v.updated_us >= %(since_us)s AND v.updated_us < %(until_us)s
    AND (%(at_us)s::bigint IS NULL
         OR NOT EXISTS (SELECT 1 FROM version n WHERE n.rkey = v.rkey AND n.seq > v.seq AND n.updated_us <= %(at_us)s::bigint))
    AND {access}
ORDER BY v.seq DESC LIMIT %(limit)s

-- name: newest_seq
SELECT last_value FROM version_seq
