-- name: record_of
-- The record that a Patient's goes on in.
SELECT coalesce((SELECT a.root FROM alias a WHERE a.patient = :patient), :patient)

-- name: groups
SELECT o.unit, o.provider, o.kind, r.type = :patient_type, count(*)
FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.patient = :patient AND NOT r.deleted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3

-- name: relations
SELECT unit, from_us, until_us FROM care_relation WHERE patient = :patient

-- name: blocks
SELECT rkey, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us, lifted_until_us
FROM block WHERE patient = :patient

-- name: consents
SELECT receiver, from_us, until_us FROM consent WHERE patient = :patient

-- name: is_protected
SELECT EXISTS (SELECT 1 FROM protected WHERE patient = :patient)

-- name: opened
SELECT what, target, opened_us, until_us FROM opening
WHERE patient = :patient AND person = :person AND unit = :unit AND closed_us IS NULL

-- name: mine
SELECT 1 FROM opening
WHERE opening = :opening AND patient = :patient AND person = :person AND closed_us IS NULL AND until_us > :now
