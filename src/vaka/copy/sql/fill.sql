-- name: begin
-- While a file is filled (copy/filling.py): tokens that came, in no order, and those that were taken out again.
CREATE TABLE IF NOT EXISTS token_came (key INTEGER NOT NULL, rkey INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS token_gone (key INTEGER NOT NULL, rkey INTEGER NOT NULL, PRIMARY KEY (key, rkey)) STRICT, WITHOUT ROWID;

-- name: is_begun
SELECT 1 FROM sqlite_schema WHERE name = 'token_came'

-- name: count
SELECT count(*) FROM token_came

-- name: came
INSERT INTO token_came (key, rkey) VALUES (?, ?)

-- name: gone
INSERT OR IGNORE INTO token_gone (key, rkey) VALUES (?, ?)

-- name: not_gone
-- It came again.
DELETE FROM token_gone WHERE key = ? AND rkey = ?

-- name: fold
-- In the order of the table: each page is met once.
INSERT OR IGNORE INTO token (key, rkey) SELECT key, rkey FROM token_came ORDER BY key, rkey

-- name: all_gone
SELECT key, rkey FROM token_gone ORDER BY key, rkey

-- name: empty
DELETE FROM token_came;
DELETE FROM token_gone;

-- name: end
DROP TABLE token_came;
DROP TABLE token_gone;
