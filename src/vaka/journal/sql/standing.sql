-- name: standing
-- What stands for each key, so that what is loaded again is recognised by its hash. No lock.
SELECT r.rkey, r.version, v.epoch, r.updated_us, r.deleted, v.hash
FROM resource r JOIN version v ON v.seq = r.seq WHERE r.rkey = ANY(%(keys)s::bigint[])

-- name: vacuum
-- After a load: a stale visibility map doubles the cost of searching (facts/fhir-store.md).
VACUUM (ANALYZE) resource, search_date, search_quantity, search_string
