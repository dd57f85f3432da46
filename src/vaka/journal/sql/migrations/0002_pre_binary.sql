-- name: migration
-- Whose content the pieces in binary_chunk are. A row appears with the version that names the content; pieces without one
-- are what an upload left that never ended, and go after a day.
CREATE TABLE binary_content (content uuid PRIMARY KEY, rkey bigint NOT NULL, size bigint NOT NULL);
CREATE INDEX binary_content_of ON binary_content (rkey);
ALTER TABLE binary_chunk ADD COLUMN made timestamptz NOT NULL DEFAULT now();
