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

-- name: is_attended
-- Whether the person's unit takes part in the care of the patient, or the person has an emergency opening.
SELECT EXISTS (SELECT 1 FROM care_relation c
               WHERE c.patient = :patient AND c.unit = :unit AND c.from_us <= :now AND c.until_us > :now)
    OR EXISTS (SELECT 1 FROM opening g
               WHERE g.patient = :patient AND g.person = :person AND g.unit = :unit AND g.what = 3
                 AND g.closed_us IS NULL AND g.opened_us <= :now AND g.until_us > :now)
