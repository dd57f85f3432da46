-- name: keep_piece
INSERT INTO binary_chunk (content, number, bytes) VALUES (%(content)s, %(number)s, %(bytes)s)

-- name: name_content
-- In the transaction that makes the version: from now on the content is the resource's.
INSERT INTO binary_content (content, rkey, size) VALUES (%(content)s, %(rkey)s, %(size)s)

-- name: content_size
-- A content is given out for the resource that it was sent to only, whatever another one's body may name.
SELECT size FROM binary_content WHERE content = %(content)s AND rkey = %(rkey)s

-- name: piece
SELECT bytes FROM binary_chunk WHERE content = %(content)s AND number = %(number)s

-- name: drop_content
DELETE FROM binary_chunk WHERE content = %(content)s

-- name: forget_pieces
-- What uploads left that never ended.
DELETE FROM binary_chunk c WHERE c.made < now() - make_interval(hours => %(hours)s)
AND NOT EXISTS (SELECT 1 FROM binary_content b WHERE b.content = c.content)
