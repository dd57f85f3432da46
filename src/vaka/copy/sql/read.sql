-- name: upper
-- What has come to this copy: the place in the feed, and the newest entry of the reserve that shows.
SELECT c.epoch, c.xid, c.seq, coalesce((SELECT max(r.pending) FROM resource r WHERE r.pending <> 0), 0) FROM cursor c

-- name: epoch
SELECT epoch FROM cursor

-- name: private
-- What changes when patients were merged or taken apart.
SELECT cursor, generation FROM private_state

-- name: aliases
SELECT id, into_id FROM alias

-- name: given_back
-- A deletion in a record that was merged and taken apart: whose it is, the journal says without another version (S23).
SELECT 1 FROM resource r
WHERE r.rkey = :rkey AND r.deleted = 1 AND EXISTS (SELECT 1 FROM apart p WHERE p.was_in = r.patient)

-- name: is_attended
-- Whether the person's unit takes part in the care of the patient, or the person has an emergency opening.
SELECT EXISTS (SELECT 1 FROM care_relation c
               WHERE c.patient = :patient AND c.unit = :unit AND c.from_us <= :now AND c.until_us > :now)
    OR EXISTS (SELECT 1 FROM opening g
               WHERE g.patient = :patient AND g.person = :person AND g.unit = :unit AND g.what = 3
                 AND g.closed_us IS NULL AND g.opened_us <= :now AND g.until_us > :now)

-- name: aside_newer
-- A version that could not be interpreted here, newer than what stands (S4).
SELECT 1 FROM aside a
WHERE a.rkey = :rkey AND NOT EXISTS (
    SELECT 1 FROM resource r WHERE r.rkey = a.rkey AND (r.epoch, r.version) >= (a.epoch, a.version))

-- name: any_aside
-- Whether anything could not be interpreted.
SELECT 1 FROM aside WHERE rkey <= 9223372036854775807 LIMIT 1

-- name: any_aside_of
-- Whether anything of these patients could not be interpreted.
SELECT 1 FROM aside WHERE patient IN (SELECT value FROM json_each(:patients)) LIMIT 1

-- name: aside
-- How many versions of these patients (null: of anybody), types and keys (null: any) could not be interpreted, of what the caller may
-- find; and of those of which it is not known whose they are (S4). unknown: those of a type that this release does not know, too.
SELECT count(*) FROM (
    SELECT a.rkey, a.id, coalesce(t.value, 0) AS type, a.patient, a.owner, 0 AS deleted
    FROM aside a LEFT JOIN json_each(:types) t ON t.key = a.type
    WHERE (t.value IS NOT NULL OR :unknown AND a.type NOT IN (SELECT key FROM json_each(:known)))
        AND (:patients IS NULL OR a.patient IN (SELECT value FROM json_each(:patients)))
        AND (:keys IS NULL OR a.rkey IN (SELECT value FROM json_each(:keys)))) r
WHERE r.owner IS NULL OR ({access})

-- name: superseded
-- Which of these resources have a newer version that could not be interpreted.
SELECT r.rkey FROM json_each(:keys) k CROSS JOIN resource r ON r.rkey = k.value CROSS JOIN aside a ON a.rkey = r.rkey
WHERE (a.epoch, a.version) > (r.epoch, r.version)
