-- name: migration
-- Records law: what each entry owes, the marks that persons have made on versions, and patients that were merged. All of it is
-- derived from versions as they are written, in the same transaction.

-- A row for each entry that is signed or acknowledged. owes: NULL nothing; 1 a signature; 10 receipt, 11 reading, 12 action of a
-- result. since: seq of the version that owes it, the order of the lists. unit, person: whose list it stands in.
CREATE TABLE entry (
    rkey bigint PRIMARY KEY,
    since bigint NOT NULL,
    signed_us bigint,
    locked_us bigint,
    owes smallint,
    unit text COLLATE "C",
    person text COLLATE "C"
);
CREATE INDEX entry_unit ON entry (unit, owes, since) WHERE owes IS NOT NULL;
CREATE INDEX entry_person ON entry (person, owes, since) WHERE owes IS NOT NULL;

-- A row for each mark (access.marks). rkey: of its Provenance; entry: what it is on; version, epoch: NULL where it is on the resource as a whole.
CREATE TABLE mark (
    rkey bigint PRIMARY KEY,
    entry bigint NOT NULL,
    seq bigint NOT NULL,
    at_us bigint NOT NULL,
    version int,
    epoch int,
    act smallint NOT NULL,
    actor text NOT NULL,
    detail text
);
CREATE INDEX mark_entry ON mark (entry, seq);

-- Whose record a patient's goes on in, for ever or until it is taken apart; what is written to the one stands in the other.
-- root: the end of the chain, where the one was merged in its turn.
CREATE TABLE alias (
    patient bigint PRIMARY KEY, id text NOT NULL, into_patient bigint NOT NULL, into_id text NOT NULL, root bigint NOT NULL
);

-- All that belongs to one patient, for a merge.
CREATE INDEX IF NOT EXISTS resource_patient ON resource (patient) WHERE patient IS NOT NULL;
