-- What the copy knows of a patient; as journal/sql/access.sql.

-- name: groups
-- Whose information of which kind there is about a patient, and how much.
SELECT o.unit, o.provider, o.kind, r.type = :patient_type AS identity, count(*)
FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.patient = :patient AND r.deleted = 0 GROUP BY 1, 2, 3, 4 ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3

-- name: relations
SELECT unit, from_us, until_us FROM care_relation WHERE patient = :patient

-- name: blocks
SELECT rkey, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us, lifted_until_us
FROM block WHERE patient = :patient

-- name: consents
SELECT receiver, from_us, until_us FROM consent WHERE patient = :patient

-- name: openings
-- What a person at a unit has opened of a patient, and has not closed.
SELECT what, target, opened_us, until_us FROM opening
WHERE patient = :patient AND person = :person AND unit = :unit AND closed_us IS NULL

-- name: is_protected
SELECT EXISTS (SELECT 1 FROM protected WHERE patient = :patient)

-- name: stands
-- Whose it is that stands under a key, for the log of a refusal.
SELECT r.patient, o.unit, o.provider, o.kind, r.id FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.rkey = :rkey AND r.deleted = 0
