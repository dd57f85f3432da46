-- name: schema
-- Of a record that holds some units' patients (decision 0015). in_scope: who they are; whole: 0 while their
-- record is being fetched; 2: it is here, and is fetched again for what was passed by of it.
CREATE TABLE IF NOT EXISTS in_scope (patient INTEGER PRIMARY KEY, id TEXT NOT NULL, whole INTEGER NOT NULL) STRICT;

-- Lines of the feed, compressed, of patients who are not whole: nobody reads them. home: the id of the line's own home patient.
CREATE TABLE IF NOT EXISTS incoming (
    patient INTEGER NOT NULL, xid INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, rkey INTEGER NOT NULL,
    number INTEGER NOT NULL, home TEXT, line BLOB NOT NULL, PRIMARY KEY (patient, xid, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incoming_of ON incoming (rkey);

-- name: fact
SELECT value FROM fact WHERE name = 'scope'

-- name: keep
INSERT OR REPLACE INTO fact (name, value) VALUES ('scope', ?)

-- name: known
SELECT id, whole FROM in_scope

-- name: enter
INSERT OR IGNORE INTO in_scope (patient, id, whole) VALUES (?, ?, ?)

-- name: leave
DELETE FROM in_scope WHERE patient = ?

-- name: of_patient
-- All that stands in a patient's record.
SELECT r.rkey, r.type, o.unit, r.updated_us, r.dictionary, r.body FROM resource r LEFT JOIN owner o USING (owner)
WHERE r.patient = ?1 AND r.deleted = 0

-- name: unsettled
-- Whether something of a patient waits to be settled or could not be read: nothing is said of what it makes of the patient.
SELECT EXISTS (SELECT 1 FROM resource WHERE pending <> 0 AND patient = ?1)
    OR EXISTS (SELECT 1 FROM beneath WHERE patient = ?1) OR EXISTS (SELECT 1 FROM aside WHERE patient = ?1)
    OR EXISTS (SELECT 1 FROM incoming WHERE patient = ?1)

-- name: merged
-- With whom a patient was merged, on either side.
SELECT into_id FROM alias WHERE patient = ?1 UNION SELECT id FROM alias WHERE into_patient = ?1

-- name: all_of
-- What stands here of these patients (a JSON array of keys), deleted or not; and, with whose owner, what is in nobody's record and
-- may name one of them: not of these types (a JSON array). One look through the table.
SELECT r.rkey, r.patient, o.unit, r.dictionary, r.body FROM resource r LEFT JOIN owner o USING (owner)
WHERE r.patient IN (SELECT value FROM json_each(?1))
   OR (r.patient IS NULL AND r.pending = 0 AND r.type NOT IN (SELECT value FROM json_each(?2)))

-- name: set_whole
UPDATE in_scope SET whole = ? WHERE patient = ?

-- name: orders
-- The newest version of each of these resources (a JSON array of keys) that is held here, shown or not yet.
SELECT rkey, epoch, number, max(printf('%010d.%019d', epoch, number)) FROM (
    SELECT rkey, epoch, version AS number FROM resource WHERE pending = 0 AND rkey IN (SELECT value FROM json_each(?1))
    UNION ALL SELECT rkey, epoch, version FROM beneath WHERE rkey IN (SELECT value FROM json_each(?1))
    UNION ALL SELECT rkey, epoch, number FROM incoming WHERE rkey IN (SELECT value FROM json_each(?1))
) GROUP BY rkey

-- name: living
-- Those that stand here, and in whose record.
SELECT rkey, patient FROM resource WHERE pending = 0 AND deleted = 0 AND rkey IN (SELECT value FROM json_each(?1))
UNION SELECT rkey, patient FROM beneath WHERE deleted = 0 AND rkey IN (SELECT value FROM json_each(?1))

-- name: begun_elsewhere
-- Whether something that waits for a patient began in a version that was passed by.
SELECT EXISTS (SELECT 1 FROM incoming i WHERE i.patient = ?1 AND i.home IS NOT NULL GROUP BY i.rkey HAVING min(i.number) > 1)

-- name: stage
INSERT OR IGNORE INTO incoming (patient, xid, seq, epoch, rkey, number, home, line) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: staged
SELECT xid, seq, line FROM incoming WHERE patient = ?1 AND (xid, seq) > (?2, ?3) ORDER BY xid, seq LIMIT ?4

-- name: unstage
DELETE FROM incoming WHERE patient = ?

-- name: unstage_all
DELETE FROM incoming

-- name: unstage_redacted
DELETE FROM incoming WHERE rkey = ?1 AND (epoch, number) < (?2, ?3)

-- name: unstage_moved
-- What stands in another's record by a newer version than any of this patient's, and that waits too.
DELETE FROM incoming WHERE patient = ?1 AND EXISTS (
    SELECT 1 FROM incoming j
    WHERE j.rkey = incoming.rkey AND j.patient <> ?1 AND j.home IS NOT incoming.home
      AND NOT EXISTS (SELECT 1 FROM incoming k
                      WHERE k.patient = ?1 AND k.rkey = j.rkey AND (k.epoch, k.number) >= (j.epoch, j.number))
      AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.rkey = j.rkey AND (r.epoch, r.version) >= (j.epoch, j.number)))

-- name: strangers
-- What refers to the patient and is another's.
SELECT i.rkey, i.home FROM incoming i
WHERE i.patient = ?1 AND i.home IS NOT NULL AND i.home <> ?2 AND NOT EXISTS (
    SELECT 1 FROM incoming j WHERE j.patient = i.patient AND j.rkey = i.rkey AND (j.epoch, j.number) > (i.epoch, i.number))

-- name: unstage_resource
DELETE FROM incoming WHERE patient = ? AND rkey = ?

-- name: no_aside
DELETE FROM aside WHERE rkey = ?

-- name: joined
-- Ids of patients who were merged with one that is held, and are not held themselves.
SELECT id FROM alias WHERE patient NOT IN (SELECT patient FROM in_scope) AND into_patient IN (SELECT patient FROM in_scope)
UNION SELECT into_id FROM alias
WHERE patient IN (SELECT patient FROM in_scope) AND into_patient NOT IN (SELECT patient FROM in_scope)

-- name: not_whole
-- How many of these patients (a JSON array of keys) this record does not hold whole.
SELECT count(*) FROM json_each(:keys) k WHERE NOT EXISTS (SELECT 1 FROM in_scope s WHERE s.patient = k.value AND s.whole > 0)

-- name: taking
SELECT count(*) FROM in_scope WHERE whole = 0

-- name: standing
SELECT count(*) FROM resource WHERE rkey IN (SELECT value FROM json_each(:keys))
