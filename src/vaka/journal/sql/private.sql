-- name: private_page
-- Changes after the cursor that no open transaction can precede any more.
SELECT p.xid, p.seq, (SELECT max(epoch) FROM epoch), p.topic, p.key, p.row::text
FROM private_change p WHERE (p.xid, p.seq) > (%(xid)s::xid8, %(seq)s) AND p.xid < %(horizon)s::xid8
ORDER BY p.xid, p.seq LIMIT %(limit)s
