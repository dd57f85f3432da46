-- name: revoke
INSERT INTO revocation (session, person, at_us, until_us, reason)
VALUES (%(session)s, %(person)s, %(at_us)s, %(until_us)s, %(reason)s)

-- name: revocations_from
-- Where the next look has to begin: below it everything has committed or never will.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text

-- name: revocations
SELECT session, person, at_us, until_us FROM revocation
WHERE xid >= %(start)s::text::xid8 AND until_us > %(now_us)s

-- name: forget_revocations
DELETE FROM revocation WHERE until_us < %(now_us)s

-- name: spend
-- One row the first time, none again.
INSERT INTO spent (what, until_us) VALUES (%(what)s, %(until_us)s) ON CONFLICT DO NOTHING RETURNING 1

-- name: forget_spent
DELETE FROM spent WHERE until_us < %(now_us)s

-- name: attempt
-- Counts an attempt before it is tried, unless it comes too early: then no row. Failures are forgotten by half each
-- halving_us. The wait after n failures is least_us * 2^(n - free), at most most_us.
INSERT INTO attempt AS a (what, failures, at_us) VALUES (%(what)s, 1, %(now_us)s)
ON CONFLICT (what) DO UPDATE SET
    failures = (a.failures >> least((%(now_us)s - a.at_us) / %(halving_us)s, 31)::int) + 1, at_us = %(now_us)s
WHERE a.failures < %(free)s
    OR %(now_us)s - a.at_us >= least(%(least_us)s::bigint << least(a.failures - %(free)s, 30), %(most_us)s::bigint)
RETURNING failures

-- name: attempt_wait
-- Microseconds to wait still.
SELECT least(%(least_us)s::bigint << least(a.failures - %(free)s, 30), %(most_us)s::bigint) - (%(now_us)s - a.at_us)
FROM attempt a WHERE what = %(what)s AND failures >= %(free)s

-- name: attempt_succeeded
DELETE FROM attempt WHERE what = %(what)s

-- name: attempt_forgiven
UPDATE attempt SET failures = greatest(failures - 1, 0) WHERE what = %(what)s

-- name: forget_attempts
DELETE FROM attempt WHERE at_us < %(before_us)s

-- name: keep_passkey
INSERT INTO passkey (credential, person, site, public_key, signs, demo)
VALUES (%(credential)s, %(person)s, %(site)s, %(public_key)s, %(signs)s, %(demo)s) ON CONFLICT DO NOTHING RETURNING 1

-- name: passkey
SELECT credential, person, site, public_key, signs, demo FROM passkey WHERE credential = %(credential)s

-- name: passkeys_of
SELECT credential FROM passkey WHERE person = %(person)s ORDER BY made

-- name: passkey_used
UPDATE passkey SET signs = %(signs)s, used = now() WHERE credential = %(credential)s

-- name: passphrase
SELECT hash, secret FROM passphrase WHERE person = %(person)s

-- name: keep_passphrase
INSERT INTO passphrase (person, hash, secret) VALUES (%(person)s, %(hash)s, %(secret)s)
ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, secret = excluded.secret, made = now()

-- name: rehash_passphrase
UPDATE passphrase SET hash = %(hash)s WHERE person = %(person)s AND hash = %(old)s

-- name: enrol
INSERT INTO enrolment (person, code, until_us) VALUES (%(person)s, %(code)s, %(until_us)s)
ON CONFLICT (person) DO UPDATE SET code = excluded.code, until_us = excluded.until_us

-- name: enrolment
SELECT code FROM enrolment WHERE person = %(person)s AND until_us > %(now_us)s

-- name: enrolled
DELETE FROM enrolment WHERE person = %(person)s AND code = %(code)s RETURNING 1

-- name: drop_passkeys
DELETE FROM passkey WHERE person = %(person)s

-- name: drop_passphrase
DELETE FROM passphrase WHERE person = %(person)s

-- name: drop_enrolment
DELETE FROM enrolment WHERE person = %(person)s

-- name: change_passphrase
-- No row where another change came first.
UPDATE passphrase SET hash = %(hash)s, made = now() WHERE person = %(person)s AND hash = %(old)s RETURNING 1

-- name: session_begun
INSERT INTO session (session, person, way, unit, title, source, device, began_us, used_us, until_us)
VALUES (%(session)s, %(person)s, %(way)s, %(unit)s, %(title)s, %(source)s, %(device)s, %(began_us)s, %(now_us)s, %(until_us)s)

-- name: session_renewed
UPDATE session SET used_us = %(now_us)s, until_us = %(until_us)s WHERE session = %(session)s

-- name: sessions_of
-- The living ones of a person, newest first.
SELECT session, way, unit, title, source, device, began_us, used_us FROM session s
WHERE person = %(person)s AND until_us > %(now_us)s AND NOT EXISTS (
    SELECT FROM revocation r WHERE r.person = s.person
    AND (r.session = s.session OR (r.session IS NULL AND r.at_us >= s.began_us)))
ORDER BY began_us DESC, session LIMIT %(limit)s

-- name: logged_in
-- The choice of another assignment is no new login: it has the time of the one that it came from.
INSERT INTO login AS l (person, at_us, way, source, device)
VALUES (%(person)s, %(began_us)s, %(way)s, %(source)s, %(device)s)
ON CONFLICT (person) DO UPDATE SET
    at_us = excluded.at_us, way = excluded.way, source = excluded.source, device = excluded.device,
    before_us = l.at_us, before_way = l.way, before_source = l.source, before_device = l.device
WHERE l.at_us < excluded.at_us

-- name: logins_of
SELECT at_us, way, source, device, before_us, before_way, before_source, before_device FROM login WHERE person = %(person)s

-- name: way_changed
INSERT INTO way_change (person, at_us, what) VALUES (%(person)s, %(now_us)s, %(what)s)

-- name: way_changes
SELECT at_us, what FROM way_change WHERE person = %(person)s AND at_us > %(since_us)s ORDER BY at_us DESC LIMIT %(limit)s

-- name: forget_sessions
DELETE FROM session WHERE until_us < %(now_us)s

-- name: forget_way_changes
DELETE FROM way_change WHERE at_us < %(before_us)s
