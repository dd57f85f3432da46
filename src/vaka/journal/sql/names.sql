-- What the access log's numbers stand for.

-- name: resources
SELECT rkey, type, id FROM resource WHERE rkey = ANY(%(keys)s::bigint[])

-- name: versions
SELECT v.seq, r.type, r.id, v.epoch FROM version v JOIN resource r USING (rkey) WHERE v.seq = ANY(%(seqs)s::bigint[])

-- name: owners
SELECT owner, unit, provider, kind FROM owner WHERE owner = ANY(%(numbers)s::int[])
