-- name: migration
-- What people are shown of their own logins: living sessions, the last login, changes of their ways in. Not part of the record.

-- A session that a login or a choice of assignment began. used_us: begun or last renewed; gone when until_us is past.
CREATE TABLE session (
    session text PRIMARY KEY, person text NOT NULL, way text NOT NULL, unit text NOT NULL, title text NOT NULL,
    source text NOT NULL, device text NOT NULL, began_us bigint NOT NULL, used_us bigint NOT NULL, until_us bigint NOT NULL
);
CREATE INDEX session_person ON session (person);
CREATE INDEX revocation_person ON revocation (person);

-- The newest login of each person, and the one before it.
CREATE TABLE login (
    person text PRIMARY KEY, at_us bigint NOT NULL, way text NOT NULL, source text NOT NULL, device text NOT NULL,
    before_us bigint, before_way text, before_source text, before_device text
);

-- Ways in that were made, changed or taken back.
CREATE TABLE way_change (person text NOT NULL, at_us bigint NOT NULL, what text NOT NULL);
CREATE INDEX way_change_person ON way_change (person, at_us);

-- For which provider a finding was made: another's reviewers do not see it. Null: by command, for the region.
ALTER TABLE log.review ADD COLUMN provider text;
