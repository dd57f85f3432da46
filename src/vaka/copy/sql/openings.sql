-- name: record_of
-- The record that a Patient's goes on in.
SELECT coalesce((SELECT a.root FROM alias a WHERE a.patient = :patient), :patient)

-- name: mine
SELECT 1 FROM opening
WHERE opening = :opening AND patient = :patient AND person = :person AND closed_us IS NULL AND until_us > :now
