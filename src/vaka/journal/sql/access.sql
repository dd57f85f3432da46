-- name: forget_facts
-- What a resource said about access before it was changed.
WITH a AS (DELETE FROM care_relation WHERE rkey = ANY(%(keys)s::bigint[])),
     b AS (DELETE FROM block WHERE rkey = ANY(%(keys)s::bigint[])),
     c AS (DELETE FROM consent WHERE rkey = ANY(%(keys)s::bigint[]))
DELETE FROM protected WHERE patient = ANY(%(keys)s::bigint[])

-- name: owners_by_number
SELECT owner, unit, provider, kind FROM owner WHERE owner = ANY(%(owners)s::int[])

-- name: groups
-- Whose information of which kind there is about a patient, and how much.
SELECT o.unit, o.provider, o.kind, r.type = %(patient_type)s AS identity, count(*)
FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.patient = %(patient)s AND NOT r.deleted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3

-- name: relations
SELECT unit, from_us, until_us FROM care_relation WHERE patient = %(patient)s

-- name: blocks
SELECT rkey, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us, lifted_until_us
FROM block WHERE patient = %(patient)s

-- name: consents
SELECT receiver, from_us, until_us FROM consent WHERE patient = %(patient)s

-- name: is_protected
SELECT EXISTS (SELECT 1 FROM protected WHERE patient = %(patient)s)

-- name: protected_of
SELECT patient FROM protected WHERE patient = ANY(%(keys)s::bigint[])

-- name: openings
-- What a person at a unit has opened of a patient, and has not closed.
SELECT what, target, opened_us, until_us FROM opening
WHERE patient = %(patient)s AND person = %(person)s AND unit = %(unit)s AND closed_us IS NULL

-- name: open
-- Of the record that the Patient's goes on in. Locked: a merge that is being made or taken apart is waited for (S23).
INSERT INTO opening (opening, patient, person, unit, provider, what, target, reason, session, opened_us, until_us)
SELECT %(opening)s, coalesce(r.patient, r.rkey), %(person)s, %(unit)s, %(provider)s, %(what)s, %(target)s, %(reason)s, %(session)s,
       %(opened_us)s, %(until_us)s
FROM resource r WHERE r.rkey = %(patient)s FOR SHARE
ON CONFLICT (opening) DO NOTHING

-- name: close
UPDATE opening SET closed_us = %(now)s
WHERE opening = %(opening)s AND patient = %(patient)s AND person = %(person)s AND closed_us IS NULL AND until_us > %(now)s RETURNING patient

-- name: close_opened
-- Ends what is open of these patients and was opened at a time or later, of these sorts.
UPDATE opening SET closed_us = %(now)s
WHERE patient = ANY(%(patients)s::bigint[]) AND what = ANY(%(whats)s::smallint[]) AND opened_us >= %(since_us)s
  AND closed_us IS NULL AND until_us > %(now)s

-- name: is_attended
-- Whether the person's unit takes part in the care of the patient, or the person has an emergency opening.
SELECT p.patient,
       EXISTS (SELECT 1 FROM care_relation c
               WHERE c.patient = p.patient AND c.unit = %(unit)s AND c.from_us <= %(now)s AND c.until_us > %(now)s)
    OR EXISTS (SELECT 1 FROM opening g
               WHERE g.patient = p.patient AND g.person = %(person)s AND g.unit = %(unit)s AND g.what = 3
                 AND g.closed_us IS NULL AND g.opened_us <= %(now)s AND g.until_us > %(now)s) AS attended,
       EXISTS (SELECT 1 FROM protected q WHERE q.patient = p.patient) AS protected
FROM unnest(%(patients)s::bigint[]) AS p (patient)

-- name: standing
-- What stands under the keys that a caller wants to change, and whether the caller may know of it.
SELECT r.rkey, ({access}) AS visible, o.unit, o.provider, r.patient, r.deleted
FROM resource r JOIN owner o ON o.owner = r.owner WHERE r.rkey = ANY(%(keys)s::bigint[])

-- name: stands
-- Whose it is that stands under a key, for the log of a refusal.
SELECT r.patient, o.unit, o.provider, o.kind, r.id FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.rkey = %(rkey)s AND NOT r.deleted

-- name: blocks_of
-- Consents that block something of a patient, in the order of their keys, as every writer locks.
SELECT DISTINCT r.id, r.rkey FROM block b JOIN resource r ON r.rkey = b.rkey WHERE b.patient = ANY(%(keys)s::bigint[]) ORDER BY r.rkey

-- name: law_before
-- Which points of law were open at the last start (access.settings).
SELECT value FROM fact WHERE name = 'law'

-- name: keep_law
INSERT INTO fact VALUES ('law', %(law)s) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: derived
-- How far what the record says about access has been derived from older versions: due, after a key, derived.
SELECT value FROM fact WHERE name = 'access facts'

-- name: keep_derived
UPDATE fact SET value = %(place)s WHERE name = 'access facts'

-- name: to_derive
-- The next living resources that can say something about access, in the order of their keys, locked.
SELECT r.rkey, r.type, r.id, o.unit, o.provider, v.dictionary, v.body
FROM resource r JOIN version v ON v.seq = r.seq JOIN owner o ON o.owner = r.owner
WHERE r.type = ANY(%(types)s::smallint[]) AND NOT r.deleted AND r.rkey > %(after)s AND v.body IS NOT NULL
ORDER BY r.rkey LIMIT %(limit)s FOR UPDATE OF r

-- name: put_facts
-- What these resources say, in the place of what was kept of them.
WITH a AS (DELETE FROM care_relation WHERE rkey = ANY(%(keys)s::bigint[])),
     b AS (DELETE FROM block WHERE rkey = ANY(%(keys)s::bigint[])),
     c AS (DELETE FROM consent WHERE rkey = ANY(%(keys)s::bigint[])),
-- include: facts.said
SELECT
