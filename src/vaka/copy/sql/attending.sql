-- name: protected
SELECT EXISTS (SELECT 1 FROM protected WHERE patient = :patient)

-- name: unit
SELECT unit FROM owner WHERE owner = :owner
