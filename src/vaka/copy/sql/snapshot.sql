-- name: patients
-- Who is here, and who comes before a time: the patients of a unit's two first lists.
SELECT DISTINCT patient FROM worklist
WHERE unit = :unit AND patient IS NOT NULL AND list IN (1, 2) AND until_us > :now AND (list = 1 OR from_us < :before)
ORDER BY patient LIMIT :limit

-- name: together
-- The patients (a JSON array) with all those whose records were merged with theirs.
WITH given(patient) AS (SELECT value FROM json_each(:patients)),
root(patient) AS (SELECT coalesce(a.root, g.patient) FROM given g LEFT JOIN alias a ON a.patient = g.patient)
SELECT patient FROM given UNION SELECT patient FROM root
UNION SELECT a.patient FROM alias a JOIN root r ON r.patient = a.root ORDER BY 1

-- name: owners
-- Whose information there is about a patient.
SELECT DISTINCT r.owner, o.kind, o.provider, o.unit FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.patient = :patient AND r.deleted = 0 AND r.body IS NOT NULL

-- name: openings
-- What anybody at the unit has open of a patient.
SELECT what, target, opened_us, until_us FROM opening WHERE patient = :patient AND unit = :unit AND closed_us IS NULL

-- name: beside
-- own.db of this PC beside a snapshot's file: with what was opened here.
ATTACH :own AS own KEY :key

-- name: opened_here
-- What was opened before the snapshot was made, and here since: in the place of the file's own table, for who reads on this connection.
CREATE TEMP VIEW opening AS
SELECT opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us FROM main.opening
UNION ALL
SELECT opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us FROM own.opening

-- name: rows_of
SELECT rkey, type, id, version, epoch, updated_us, created, seq, xid, patient, owner, action, deleted, redacted, pending, indexed,
       hash, dictionary, body
FROM resource
WHERE patient = :patient AND deleted = 0 AND body IS NOT NULL AND owner IN (SELECT value FROM json_each(:owners))

-- name: rows
SELECT rkey, type, id, version, epoch, updated_us, created, seq, xid, patient, owner, action, deleted, redacted, pending, indexed,
       hash, dictionary, body
FROM resource WHERE rkey IN (SELECT value FROM json_each(:keys)) AND deleted = 0 AND body IS NOT NULL

-- name: pointing
-- What refers to another by a parameter.
SELECT t.rkey FROM token t JOIN resource r ON r.rkey = t.rkey WHERE t.key = :key AND r.type = :type AND r.deleted = 0

-- name: aside
-- What could not be interpreted of the patients, without the line.
SELECT rkey, type, id, version, epoch, patient, owner, reason FROM aside WHERE patient IN (SELECT value FROM json_each(:patients))

-- name: put_aside
INSERT OR IGNORE INTO aside (rkey, type, id, version, epoch, patient, owner, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: get_owner
SELECT owner, unit, provider, kind, author, source FROM owner WHERE owner IN (SELECT value FROM json_each(:keys))

-- name: put_owner
INSERT OR IGNORE INTO owner (owner, unit, provider, kind, author, source) VALUES (?, ?, ?, ?, ?, ?)

-- name: get_dictionary
SELECT dictionary, content FROM dictionary

-- name: put_dictionary
INSERT OR IGNORE INTO dictionary (dictionary, content) VALUES (?, ?)

-- name: get_care_relation
-- The unit's own: others would tell where the patient has been (S24).
SELECT rkey, patient, unit, from_us, until_us FROM care_relation WHERE unit = :unit AND patient IN (SELECT value FROM json_each(:patients))

-- name: put_care_relation
INSERT OR IGNORE INTO care_relation (rkey, patient, unit, from_us, until_us) VALUES (?, ?, ?, ?, ?)

-- name: get_block
-- Those that will be in force: what a block hides now is not in the file.
SELECT rkey, patient, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us, lifted_until_us
FROM block WHERE until_us > :now AND patient IN (SELECT value FROM json_each(:patients))

-- name: put_block
INSERT INTO block (rkey, patient, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us,
                   lifted_until_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: get_consent
SELECT rkey, patient, receiver, from_us, until_us FROM consent
WHERE receiver IN (:unit, :provider) AND patient IN (SELECT value FROM json_each(:patients))

-- name: put_consent
INSERT OR IGNORE INTO consent (rkey, patient, receiver, from_us, until_us) VALUES (?, ?, ?, ?, ?)

-- name: get_protected
SELECT patient, rkey FROM protected WHERE patient IN (SELECT value FROM json_each(:patients))

-- name: put_protected
INSERT OR IGNORE INTO protected (patient, rkey) VALUES (?, ?)

-- name: get_opening
SELECT opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us FROM opening
WHERE unit = :unit AND until_us > :now AND closed_us IS NULL AND patient IN (SELECT value FROM json_each(:patients))

-- name: put_opening
INSERT OR IGNORE INTO opening (opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us,
                               pending, generation)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1)

-- name: get_alias
SELECT patient, id, into_patient, into_id, root FROM alias WHERE patient IN (SELECT value FROM json_each(:patients))

-- name: put_alias
INSERT OR IGNORE INTO alias (patient, id, into_patient, into_id, root, generation) VALUES (?, ?, ?, ?, ?, 1)

-- name: get_passkey
-- Public keys of the unit's staff.
SELECT credential, person, site, public_key, signs, demo, made FROM passkey WHERE person IN (SELECT value FROM json_each(:people))

-- name: put_passkey
INSERT OR IGNORE INTO passkey (credential, person, site, public_key, signs, demo, made, generation) VALUES (?, ?, ?, ?, ?, ?, ?, 1)

-- name: get_copy_key
-- Who may say that a snapshot is revoked.
SELECT kid, copy, public_key, added, removed FROM copy_key WHERE removed IS NULL

-- name: put_copy_key
INSERT OR IGNORE INTO copy_key (kid, copy, public_key, added, removed, generation) VALUES (?, ?, ?, ?, ?, 1)

-- name: forget_said
-- What resources said about access when they were put in: what the copy has of it takes its place.
DELETE FROM care_relation; DELETE FROM block; DELETE FROM consent; DELETE FROM protected

-- name: withhold
-- That there is information of a kind which is not in the file, and nothing else about it (S3, S21).
INSERT OR IGNORE INTO fragment (patient, kind, provider, unit, number, newest) VALUES (?, ?, '', '', 0, 0)

-- name: others_lists
DELETE FROM worklist WHERE unit <> :unit

-- name: key_of
SELECT public_key FROM copy_key WHERE kid = :kid

-- name: sites
-- What the staff's passkeys belong to, the commonest first.
SELECT site FROM passkey GROUP BY site ORDER BY count(*) DESC, site

-- name: revoked
-- When the snapshots that were given under a name were last revoked.
SELECT max(at_us) FROM revocation WHERE session = :session
