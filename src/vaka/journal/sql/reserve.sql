-- name: ended_before
-- Whether a session, or all of its person's that had begun, were ended at a time or before.
SELECT EXISTS (SELECT 1 FROM revocation
               WHERE person = %(person)s AND at_us <= %(at_us)s
                 AND (session = %(session)s OR (session IS NULL AND at_us >= %(began_us)s)))

-- name: version_at
-- The number and epoch of the version that stood at a time.
SELECT version, epoch, action FROM version WHERE rkey = %(rkey)s AND updated_us <= %(at_us)s ORDER BY seq DESC LIMIT 1

-- name: copy_number
SELECT value FROM fact WHERE name = %(name)s

-- name: copy_numbers
SELECT name, value::int FROM fact WHERE name LIKE 'copy %%'

-- name: give_copy_number
INSERT INTO fact (name, value) VALUES (%(name)s, %(value)s)

-- name: lock_copy_numbers
SELECT pg_advisory_xact_lock(hashtext('copy numbers'))
