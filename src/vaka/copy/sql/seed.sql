-- name: snapshot
-- One moment's record as a file of its own.
VACUUM INTO ?
