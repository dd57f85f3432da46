-- name: marks
-- Rows come, are marked as removed and taken up again: these tell of every change.
SELECT (SELECT coalesce(sum(hashtextextended(kid || principal || (removed IS NULL)::text, 0)), 0) FROM copy_key)::text,
       (SELECT coalesce(sum(hashtextextended(copy, 0)), 0) FROM copy_refused)::text

-- name: keys
SELECT kid, copy, principal, public_key, removed IS NULL FROM copy_key ORDER BY added

-- name: refused
SELECT copy FROM copy_refused

-- name: lock
SELECT pg_advisory_xact_lock(x'636f7079'::int)

-- name: holder
-- Who has brought keys under this name, or under which name this program has; and whether the copy is shut out.
SELECT DISTINCT k.copy, k.principal, EXISTS (SELECT 1 FROM copy_refused r WHERE r.copy = k.copy) FROM copy_key k
WHERE k.copy = %(copy)s OR k.principal = %(principal)s OR k.kid = %(kid)s

-- name: is_refused
SELECT EXISTS (SELECT 1 FROM copy_refused WHERE copy = %(copy)s)

-- name: replace
-- A copy has one key: what an older one signed is void.
UPDATE copy_key SET removed = now() WHERE copy = %(copy)s AND kid <> %(kid)s AND removed IS NULL

-- name: put
INSERT INTO copy_key (kid, copy, principal, public_key) VALUES (%(kid)s, %(copy)s, %(principal)s, %(public_key)s)
ON CONFLICT (kid) DO UPDATE SET removed = NULL WHERE copy_key.removed IS NOT NULL

-- name: refuse
INSERT INTO copy_refused (copy) VALUES (%(copy)s) ON CONFLICT DO NOTHING

-- name: void
UPDATE copy_key SET removed = now() WHERE copy = %(copy)s AND removed IS NULL

-- name: admit
DELETE FROM copy_refused WHERE copy = %(copy)s RETURNING 1

-- name: is_known
SELECT EXISTS (SELECT 1 FROM copy_key WHERE copy = %(copy)s)

-- name: listed
SELECT k.copy, k.kid, k.principal, k.added, k.removed, r.copy IS NOT NULL
FROM copy_key k LEFT JOIN copy_refused r USING (copy) ORDER BY k.copy, k.added

-- name: session_brought
-- A session that a copy began. Brought twice it is one; a copy's word makes none longer than it says.
INSERT INTO session (session, person, way, unit, title, source, device, began_us, used_us, until_us)
VALUES (%(session)s, %(person)s, %(way)s, %(unit)s, %(title)s, %(source)s, %(device)s, %(began_us)s, %(at_us)s, %(until_us)s)
ON CONFLICT DO NOTHING

-- name: renewal_brought
UPDATE session SET used_us = greatest(used_us, %(used_us)s), until_us = greatest(until_us, least(%(until_us)s, began_us + %(most_us)s))
WHERE session = %(session)s AND person = %(person)s

-- name: revocation_brought
INSERT INTO revocation (session, person, at_us, until_us, reason)
SELECT %(session)s, %(person)s, %(at_us)s, %(until_us)s, %(reason)s
WHERE NOT EXISTS (SELECT 1 FROM revocation WHERE person = %(person)s AND session = %(session)s)

-- name: signs_brought
UPDATE passkey SET signs = greatest(signs, %(signs)s), used = greatest(used, to_timestamp(%(at_us)s / 1e6))
WHERE credential = %(credential)s

-- name: opening_brought
-- Of the record that the Patient's goes on in, as when it is opened here. Brought twice it is one.
INSERT INTO opening (opening, patient, person, unit, provider, what, target, reason, session, opened_us, until_us)
SELECT %(opening)s::uuid, coalesce(r.patient, r.rkey), %(person)s, %(unit)s, %(provider)s, %(what)s, %(target)s, %(reason)s,
       %(session)s, %(opened_us)s, %(until_us)s
FROM resource r WHERE r.rkey = %(patient)s FOR SHARE
ON CONFLICT (opening) DO NOTHING

-- name: opening_is_there
SELECT EXISTS (SELECT 1 FROM opening WHERE opening = %(opening)s::uuid AND person = %(person)s)

-- name: closing_brought
UPDATE opening SET closed_us = least(closed_us, %(closed_us)s) WHERE opening = %(opening)s::uuid AND person = %(person)s
