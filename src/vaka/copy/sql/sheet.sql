-- name: schema
-- What sheets and worklists are read from, beside the record (copy/sheet/kept.py, copy/worklists.py). All of it can be made anew.

-- One row for each owner (unit, provider and kind; '': not known) of each patient. number: of its body, never used twice; null:
-- it has changed, and is to be made again. newest: the place in the feed of the newest version that it shows.
CREATE TABLE IF NOT EXISTS fragment (
    patient INTEGER NOT NULL, kind TEXT NOT NULL, provider TEXT NOT NULL, unit TEXT NOT NULL,
    number INTEGER, newest INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (patient, kind, provider, unit)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fragment_changed ON fragment (patient) WHERE number IS NULL;

CREATE TABLE IF NOT EXISTS fragment_body (
    number INTEGER PRIMARY KEY AUTOINCREMENT, facts BLOB NOT NULL, sv BLOB NOT NULL, en BLOB NOT NULL, json BLOB NOT NULL
) STRICT;

-- What stands on a unit's lists: the resource rkey, from a time and until it.
CREATE TABLE IF NOT EXISTS worklist (
    unit TEXT NOT NULL, list INTEGER NOT NULL, from_us INTEGER NOT NULL, rkey INTEGER NOT NULL, until_us INTEGER NOT NULL,
    patient INTEGER, person TEXT,
    PRIMARY KEY (unit, list, from_us, rkey)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS worklist_of ON worklist (rkey);

-- name: changed
-- An owner's information about a patient has changed.
INSERT INTO fragment (patient, kind, provider, unit) SELECT :patient, o.kind, coalesce(o.provider, ''), coalesce(o.unit, '')
FROM owner o WHERE o.owner = :owner
ON CONFLICT DO UPDATE SET number = NULL

-- name: drop_body
-- Before a fragment is marked as changed, and after one was made anew.
DELETE FROM fragment_body WHERE number IN (
    SELECT f.number FROM fragment f JOIN owner o ON f.kind = o.kind AND f.provider = coalesce(o.provider, '')
        AND f.unit = coalesce(o.unit, '')
    WHERE f.patient = :patient AND o.owner = :owner AND f.number IS NOT NULL)

-- name: staying_at
-- Whose encounters are under way at a place: their sheets say what it is called.
SELECT DISTINCT r.patient, r.owner FROM token t CROSS JOIN worklist w ON w.rkey = t.rkey CROSS JOIN resource r ON r.rkey = t.rkey
WHERE t.key = :key AND w.list = :list AND r.patient IS NOT NULL

-- name: to_make
SELECT patient, kind, provider, unit FROM fragment WHERE number IS NULL LIMIT :limit

-- name: entries
-- What one owner has of a patient, newest first; and whether a newer version was set aside.
SELECT r.type, r.id, r.dictionary, r.body, r.rkey, r.seq, r.owner, r.pending,
    EXISTS (SELECT 1 FROM aside a WHERE a.rkey = r.rkey AND (a.epoch, a.version) > (r.epoch, r.version))
FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.patient = :patient AND r.deleted = 0 AND r.body IS NOT NULL
    AND o.kind = :kind AND coalesce(o.provider, '') = :provider AND coalesce(o.unit, '') = :unit
ORDER BY r.seq DESC, r.rkey LIMIT :limit

-- name: keep_body
INSERT INTO fragment_body (facts, sv, en, json) VALUES (:facts, :sv, :en, :json) RETURNING number

-- name: keep_fragment
UPDATE fragment SET number = :number, newest = :newest
WHERE patient = :patient AND kind = :kind AND provider = :provider AND unit = :unit

-- name: drop_fragment
DELETE FROM fragment WHERE patient = :patient AND kind = :kind AND provider = :provider AND unit = :unit

-- name: fragments
-- Whose information of which kind there is about a patient. What another release has made is not read: it is made again.
SELECT kind, provider, unit, CASE WHEN (SELECT value FROM fact WHERE name = 'fragments') = :release THEN number END, newest
FROM fragment WHERE patient = :patient

-- name: body_sv
SELECT facts, sv FROM fragment_body WHERE number = :number

-- name: body_en
SELECT facts, en FROM fragment_body WHERE number = :number

-- name: body_json
SELECT facts, json FROM fragment_body WHERE number = :number

-- name: standing
-- What decides who sees what of a patient: care relations 1, blocks 2, consents 3, openings of a person at a
-- unit 4, protected 5; and how many versions are set aside 6.
SELECT 1, unit, from_us, until_us, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM care_relation WHERE patient = :patient
UNION ALL
SELECT 2, rkey, provider, unit, kind, is_inner, is_outer, from_us, until_us, lifted_for, lifted_from_us, lifted_until_us
FROM block WHERE patient = :patient
UNION ALL
SELECT 3, receiver, from_us, until_us, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM consent WHERE patient = :patient
UNION ALL
SELECT 4, what, target, opened_us, until_us, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM opening
WHERE patient = :patient AND person = :person AND unit = :unit AND closed_us IS NULL
UNION ALL
SELECT 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM protected WHERE patient = :patient
UNION ALL
SELECT 6, count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM aside a
WHERE a.patient = :patient AND NOT EXISTS (
    SELECT 1 FROM resource r WHERE r.rkey = a.rkey AND r.version = a.version AND r.epoch = a.epoch)
HAVING count(*) > 0

-- name: visible_entries
-- For a program whose scopes are asked of each resource: what it may see of a patient, with its owner.
SELECT r.type, r.id, r.dictionary, r.body, r.rkey, r.seq, r.owner, r.pending,
    EXISTS (SELECT 1 FROM aside a WHERE a.rkey = r.rkey AND (a.epoch, a.version) > (r.epoch, r.version)),
    o.kind, o.provider, o.unit, {access}
FROM resource r JOIN owner o ON o.owner = r.owner
WHERE r.patient = :patient AND r.deleted = 0 AND r.body IS NOT NULL
ORDER BY r.seq DESC, r.rkey LIMIT :limit

-- name: named
-- What has a name: a unit, a place.
SELECT dictionary, body FROM resource WHERE rkey = :rkey AND deleted = 0

-- name: drop_works
DELETE FROM worklist WHERE rkey = :rkey

-- name: put_work
INSERT OR REPLACE INTO worklist (unit, list, from_us, rkey, until_us, patient, person)
VALUES (:unit, :list, :from_us, :rkey, :until_us, :patient, :person)

-- name: owner_of
-- Whose a resource is, as far as this copy has it.
SELECT coalesce(o.unit, o.provider) FROM resource r JOIN owner o ON o.owner = r.owner WHERE r.rkey = :rkey

-- name: owner_named
SELECT coalesce(unit, provider), source, author FROM owner WHERE owner = :owner

-- name: settle_work
-- An act on the current version of an entry takes it from a list; one on an older version does not (S17).
DELETE FROM worklist WHERE rkey = :rkey AND list = :list
    AND EXISTS (SELECT 1 FROM resource r WHERE r.rkey = :rkey AND r.version = :version AND r.epoch = :epoch)

-- name: works
-- One list of a unit as a reader may see it, and by which rule. based_on: what a report has of what it answers, XORed with the
-- order's key; 0: of a list that is not of orders. final: keys of the statuses of a report that is an answer.
SELECT w.list, r.type, r.id, r.dictionary, r.body, r.rkey, r.seq, r.owner, r.pending, r.version, r.epoch, r.patient,
    {rule}, w.from_us, EXISTS (SELECT 1 FROM aside a WHERE a.rkey = r.rkey AND (a.epoch, a.version) > (r.epoch, r.version))
FROM worklist w JOIN resource r ON r.rkey = w.rkey
WHERE w.unit = :unit AND w.list = :list AND w.from_us < :before AND w.until_us > :now AND (w.from_us, w.rkey) > (:after_us, :after)
    AND r.deleted = 0 AND r.body IS NOT NULL
    AND (:based_on = 0 OR NOT EXISTS (
        SELECT 1 FROM token b CROSS JOIN resource d ON d.rkey = b.rkey AND d.deleted = 0 AND d.body IS NOT NULL
            CROSS JOIN token s ON s.rkey = b.rkey AND s.key IN (SELECT value FROM json_each(:final))
        WHERE b.key = (w.rkey | :based_on) & ~(w.rkey & :based_on)))
    AND ({access})
ORDER BY w.from_us, w.rkey LIMIT :limit

-- name: works_aside
-- How many versions were set aside that may belong on a list of the unit: of what the caller may see, and of which it is not known
-- what or whose they are (S4).
SELECT count(*) FROM (
    SELECT a.rkey, a.id, coalesce(t.value, 0) AS type, a.type AS name, a.patient, a.owner, 0 AS deleted
    FROM aside a LEFT JOIN json_each(:types) t ON t.key = a.type
    WHERE NOT EXISTS (SELECT 1 FROM resource s WHERE s.rkey = a.rkey AND s.version = a.version AND s.epoch = a.epoch)) r
WHERE (r.type = 0 OR r.name IN (SELECT value FROM json_each(:listed)))
    AND (r.owner IS NULL OR ({access}) AND EXISTS (SELECT 1 FROM owner o WHERE o.owner = r.owner AND o.unit = :unit))

-- name: patients
-- Who they are; whether the identity is protected; whether the reader may see it, and by which rule.
SELECT r.rkey, r.id, r.dictionary, r.body, r.seq, r.owner, EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey),
    ({access}), {rule}
FROM resource r WHERE r.rkey = :rkey AND r.deleted = 0

-- name: pointing
-- Bodies of the resources that carry a key: what refers to another by a parameter.
SELECT r.type, r.dictionary, r.body, r.version FROM token t JOIN resource r ON r.rkey = t.rkey
WHERE t.key = :key AND r.deleted = 0 AND r.body IS NOT NULL LIMIT :limit

-- name: alike
-- Results of a patient under a laboratory's identifier, of the same unit and provider as an owner, the newest first.
SELECT r.rkey, r.created, r.dictionary, r.body, coalesce(o.unit, o.provider)
FROM token t JOIN resource r ON r.rkey = t.rkey JOIN owner o ON o.owner = r.owner JOIN owner m ON m.owner = :owner
WHERE t.key = :key AND r.type = :type AND r.patient = :patient AND r.deleted = 0 AND r.body IS NOT NULL
    AND o.unit IS m.unit AND o.provider IS m.provider
ORDER BY r.seq DESC LIMIT :limit

-- name: unit_named
-- An Organization by its HSA-id.
SELECT r.id FROM token t JOIN resource r ON r.rkey = t.rkey WHERE t.key = :key AND r.type = :type AND r.deleted = 0 ORDER BY r.id LIMIT 1

-- name: aside_of
-- Whose information about a patient has a version that could not be read here. One that stands is in its fragment: shown or counted.
SELECT coalesce(o.kind, 'other'), coalesce(o.provider, ''), coalesce(o.unit, ''), a.type
FROM aside a LEFT JOIN owner o ON o.owner = a.owner
WHERE a.patient = :patient AND NOT EXISTS (
    SELECT 1 FROM resource r WHERE r.rkey = a.rkey AND r.version = a.version AND r.epoch = a.epoch)

-- name: visible_aside
-- The same for a program whose scopes are asked of each; whether it is told of it: also of that of which it is not known what or
-- whose it is.
SELECT r.name, r.kind, r.owner IS NULL OR r.type = 0 OR ({access}) FROM (
    SELECT a.rkey, a.id, coalesce(t.value, 0) AS type, a.type AS name, a.patient, a.owner, 0 AS deleted,
        coalesce(o.kind, 'other') AS kind
    FROM aside a LEFT JOIN owner o ON o.owner = a.owner LEFT JOIN json_each(:types) t ON t.key = a.type
    WHERE a.patient = :patient AND NOT EXISTS (
        SELECT 1 FROM resource s WHERE s.rkey = a.rkey AND s.version = a.version AND s.epoch = a.epoch)) r

-- name: forget_all
DELETE FROM fragment; DELETE FROM fragment_body; DELETE FROM worklist

-- name: all_changed
INSERT INTO fragment (patient, kind, provider, unit)
SELECT DISTINCT r.patient, o.kind, coalesce(o.provider, ''), coalesce(o.unit, '')
FROM resource r JOIN owner o ON o.owner = r.owner WHERE r.patient IS NOT NULL AND r.deleted = 0

-- name: to_list
SELECT rkey, type, patient, owner FROM resource WHERE type IN (SELECT value FROM json_each(:types)) AND deleted = 0 ORDER BY rkey

-- name: made_by
-- Which release has made the fragments and lists.
SELECT value FROM fact WHERE name = 'fragments'

-- name: keep_made_by
INSERT OR REPLACE INTO fact (name, value) VALUES ('fragments', :release)
