-- Sessions that ended before their time, and what people log in with. Not part of the record: no feed, no version.

-- A session (session given), or all sessions of a person that began before at_us. xid: so that followers miss none
-- that commits late, as in the feed.
CREATE TABLE revocation (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    session text, person text NOT NULL, at_us bigint NOT NULL, until_us bigint NOT NULL, reason text NOT NULL
);
CREATE INDEX revocation_xid ON revocation (xid);

-- What may be used once: a login's state, a challenge, a step of a one-time code, a choice of assignment.
CREATE TABLE spent (what bytea PRIMARY KEY, until_us bigint NOT NULL);

-- Attempts that have not succeeded, by account, source or device (hashed).
CREATE TABLE attempt (what bytea PRIMARY KEY, failures int NOT NULL, at_us bigint NOT NULL);

-- Public keys of passkeys. demo: made by a demo login, good for nothing else.
CREATE TABLE passkey (
    credential bytea PRIMARY KEY, person text NOT NULL, site text NOT NULL, public_key bytea NOT NULL,
    signs bigint NOT NULL, demo boolean NOT NULL, made timestamptz NOT NULL DEFAULT now(), used timestamptz
);
CREATE INDEX passkey_person ON passkey (person);

-- Passphrase (argon2id) and one-time code (secret sealed with DIR/secret/login.key) of a person.
CREATE TABLE passphrase (
    person text PRIMARY KEY, hash text NOT NULL, secret text NOT NULL, made timestamptz NOT NULL DEFAULT now()
);

-- Set-up codes given out by an administrator: SHA-256, one for each person, used once.
CREATE TABLE enrolment (person text PRIMARY KEY, code bytea NOT NULL, until_us bigint NOT NULL);
