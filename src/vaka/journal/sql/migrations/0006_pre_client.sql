-- name: migration
-- Programs that may ask for tokens: public keys alone. A row is never changed but to say when it was removed, so that old
-- log lines still name somebody, and a name that is used again is another client.
CREATE TABLE client (
    client int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    keys jsonb NOT NULL,          -- a JSON Web Key Set (RFC 7517), public
    scopes text NOT NULL,
    provider text,                -- Organization id of the only provider whose information it may have
    added timestamptz NOT NULL DEFAULT now(),
    removed timestamptz
);
CREATE UNIQUE INDEX client_name ON client (name) WHERE removed IS NULL;

-- Assertions that were used, until they expire: none is taken twice. jti: SHA-256 of the assertion's.
CREATE TABLE assertion (client int NOT NULL, jti bytea NOT NULL, expires timestamptz NOT NULL, PRIMARY KEY (client, jti));
CREATE INDEX assertion_expires ON assertion (expires);
