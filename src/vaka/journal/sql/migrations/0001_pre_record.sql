-- name: migration
-- The record: every version of every resource once, what each resource is found by, and who owns it.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Facts about this journal: schema number, region key.
CREATE TABLE fact (name text PRIMARY KEY, value text NOT NULL);

-- An epoch is a stretch of history that no restore or failover has cut; cursors and version ids carry it.
CREATE TABLE epoch (
    epoch int PRIMARY KEY,
    began timestamptz NOT NULL DEFAULT now(),
    system_identifier text NOT NULL,
    timeline int NOT NULL,
    reason text NOT NULL
);

-- Who owns a piece of information and who wrote it; few distinct rows, so that versions carry four bytes.
CREATE TABLE owner (
    owner int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit text, provider text, kind text NOT NULL, author text, source text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (unit, provider, kind, author, source)
);

-- Trained zstd dictionaries; a body names the one it was compressed with (0: none).
CREATE TABLE dictionary (dictionary int PRIMARY KEY, content bytea NOT NULL);

CREATE SEQUENCE version_seq AS bigint;

-- Every version, append-only: the record and the change feed. The body is zstd of the bytes as they were accepted with
-- id, versionId and lastUpdated set; NULL for a deletion and a redaction. hash: SHA-256 of the uncompressed bytes.
CREATE TABLE version (
    seq bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    rkey bigint NOT NULL,
    updated_us bigint NOT NULL,
    patient bigint,
    epoch int NOT NULL,
    version int NOT NULL,
    owner int NOT NULL,
    type smallint NOT NULL,
    action smallint NOT NULL,     -- 1 create, 2 update, 3 delete
    dictionary smallint NOT NULL,
    redacted boolean NOT NULL DEFAULT false,
    hash bytea NOT NULL,
    body bytea,
    PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);
CREATE INDEX version_feed ON version (xid, seq);
CREATE INDEX version_of ON version (rkey, seq);
CREATE INDEX version_type ON version (type, seq);
CREATE INDEX version_updated ON version USING brin (updated_us) WITH (pages_per_range = 32);
ALTER TABLE version ALTER COLUMN body SET STORAGE EXTERNAL;

-- The current state of each resource and the keys it is found by (vaka.fhir.keys). rkey: key of "Type/id".
-- created: seq of its first version, the default order of search. Deleted: tokens and words are empty.
CREATE TABLE resource (
    rkey bigint PRIMARY KEY,
    seq bigint NOT NULL,
    created bigint NOT NULL,
    updated_us bigint NOT NULL,
    patient bigint,
    version int NOT NULL,
    owner int NOT NULL,
    type smallint NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    id text COLLATE "C" NOT NULL,
    tokens bigint[] NOT NULL,
    words tsvector
) WITH (fillfactor = 95);
CREATE INDEX resource_created ON resource (type, created) WHERE NOT deleted;
CREATE INDEX resource_updated ON resource (type, updated_us, rkey) WHERE NOT deleted;
CREATE INDEX resource_tokens ON resource USING gin (tokens) WITH (fastupdate = off);
CREATE INDEX resource_words ON resource USING gin (words) WITH (fastupdate = off);
ALTER TABLE resource ALTER COLUMN tokens SET STATISTICS 1000;
ALTER TABLE resource ALTER COLUMN type SET STATISTICS 500;

CREATE TABLE search_date (
    rkey bigint NOT NULL, low bigint NOT NULL, high bigint NOT NULL, param smallint NOT NULL, edge smallint NOT NULL
);
CREATE INDEX search_date_of ON search_date (rkey);
CREATE INDEX search_date_low ON search_date (param, low, rkey);
-- Periods over 31 days, open ones too: a search for what overlaps looks back 31 days in search_date_low and here.
CREATE INDEX search_date_wide ON search_date (param, high) WHERE high - low > 2678400000000;

CREATE TABLE search_quantity (
    rkey bigint NOT NULL, key bigint NOT NULL, unit bigint NOT NULL,
    low double precision NOT NULL, high double precision NOT NULL, param smallint NOT NULL, edge smallint NOT NULL
);
CREATE INDEX search_quantity_of ON search_quantity (rkey);
CREATE INDEX search_quantity_low ON search_quantity (param, unit, low, rkey);
CREATE INDEX search_quantity_key ON search_quantity (key, unit, low, rkey) WHERE key <> 0;

CREATE TABLE search_string (
    rkey bigint NOT NULL, param smallint NOT NULL, edge smallint NOT NULL, value text COLLATE "C" NOT NULL
);
CREATE INDEX search_string_of ON search_string (rkey);
CREATE INDEX search_string_value ON search_string (param, value, rkey);
CREATE INDEX search_string_contains ON search_string USING gin (value gin_trgm_ops) WITH (fastupdate = off);

CREATE STATISTICS search_date_param ON param, low FROM search_date;
CREATE STATISTICS search_quantity_key_unit (mcv, ndistinct) ON param, key, unit FROM search_quantity;

-- Results of requests that carried a key, so that a repeated request gets the first one's answer.
CREATE TABLE idempotency (
    principal text NOT NULL, key text NOT NULL, request_hash bytea NOT NULL, result jsonb NOT NULL,
    made timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_made ON idempotency USING brin (made);

-- The content of a Binary that was streamed in, in pieces, outside the feed; its version's body names hash and size.
CREATE TABLE binary_chunk (
    content uuid NOT NULL, number int NOT NULL, bytes bytea NOT NULL, PRIMARY KEY (content, number)
);
ALTER TABLE binary_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What a probe writes and reads back.
CREATE TABLE probe (prober text PRIMARY KEY, at timestamptz NOT NULL);
