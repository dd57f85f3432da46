-- name: migration
-- The access log, apart from the record: runs of consecutive blocks as they were made, compressed, found by patient and by
-- person. Decision 0008.
CREATE SCHEMA log;

-- The newest block of each stream (one process's chain), told each second: a tail cut off below it is seen.
CREATE TABLE log.head (
    stream text PRIMARY KEY, system text NOT NULL, block bigint NOT NULL, hash bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- content: the blocks without their hashes, zstd; before and hash: the chain's hash before the first and after the last.
-- patients, persons: 64-bit keys of all that its records name.
CREATE TABLE log.run (
    stream text COLLATE "C" NOT NULL,
    first_block bigint NOT NULL,
    last_block bigint NOT NULL,
    chapter bigint NOT NULL,
    records int NOT NULL,
    began timestamptz NOT NULL,
    ended timestamptz NOT NULL,
    before bytea NOT NULL,
    hash bytea NOT NULL,
    patients bigint[] NOT NULL,
    persons bigint[] NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (stream, first_block, began)
) PARTITION BY RANGE (began);
CREATE INDEX run_began ON log.run (began);
CREATE INDEX run_patients ON log.run USING gin (patients);
CREATE INDEX run_persons ON log.run USING gin (persons);
ALTER TABLE log.run ALTER COLUMN content SET STORAGE EXTERNAL;

-- What a chapter's numbers stand for: people in their assignments, programs, forms of records.
CREATE TABLE log.described (
    stream text COLLATE "C" NOT NULL, chapter bigint NOT NULL, number int NOT NULL, kind smallint NOT NULL,
    content text NOT NULL, PRIMARY KEY (stream, chapter, number)
);

-- Where chains begin since older months were dropped: the block after which they go on, and its hash.
CREATE TABLE log.forgotten (
    stream text COLLATE "C" NOT NULL, block bigint NOT NULL, hash bytea NOT NULL, before timestamptz NOT NULL,
    who text NOT NULL, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (stream, block)
);

-- Reviews: who looked at which event, drawn how, and found what.
CREATE TABLE log.review (
    review bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    event text NOT NULL, drawn text NOT NULL, reviewer text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('justified', 'unclear', 'unjustified')),
    comment text NOT NULL
);
CREATE INDEX review_event ON log.review (event);

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the access log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON log.run FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON log.review FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE ON log.described FOR EACH ROW EXECUTE FUNCTION log.refuse_change();
