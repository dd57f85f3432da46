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

-- name: is_given_back
-- Whether the version of that number is one that was lost and given back, under the same number.
SELECT EXISTS (SELECT 1 FROM mark WHERE entry = %(rkey)s AND act = 18 AND version = %(version)s AND epoch = %(epoch)s)

-- name: lost_window
-- Between which times the journal can have lost versions of an epoch: after the newest that it holds of it, before the next began.
SELECT (SELECT updated_us FROM version WHERE epoch <= %(epoch)s ORDER BY seq DESC LIMIT 1),
       (SELECT (extract(epoch FROM began) * 1000000)::bigint FROM epoch WHERE epoch > %(epoch)s ORDER BY epoch LIMIT 1)
