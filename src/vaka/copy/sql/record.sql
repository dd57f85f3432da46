-- name: schema
-- The followed record: current versions, what they are found by, and what they say about access. Columns as in the journal.
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Trained zstd dictionaries; a body names the one it was compressed with (0: none).
CREATE TABLE dictionary (dictionary INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;

-- The journal's numbers; below 0: numbers of this copy's own, for what the journal has not numbered.
CREATE TABLE owner (
    owner INTEGER PRIMARY KEY, unit TEXT, provider TEXT, kind TEXT NOT NULL, author TEXT, source TEXT NOT NULL
) STRICT;
CREATE INDEX owner_same ON owner (source, kind, unit, provider, author);

-- What each resource is now. pending: 0, or the number of the reserve entry that it shows. The body is store.codec's.
-- indexed: 0 where it could not be interpreted and nothing is found by it.
CREATE TABLE resource (
    rkey INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    created INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    xid INTEGER NOT NULL,
    patient INTEGER,
    owner INTEGER NOT NULL,
    action INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    redacted INTEGER NOT NULL,
    pending INTEGER NOT NULL DEFAULT 0,
    indexed INTEGER NOT NULL DEFAULT 1,
    hash BLOB NOT NULL,
    dictionary INTEGER NOT NULL,
    body BLOB
) STRICT;
CREATE INDEX resource_created ON resource (type, created) WHERE deleted = 0;
CREATE INDEX resource_patient ON resource (patient, owner, type) WHERE patient IS NOT NULL AND deleted = 0;
-- A place in the feed: what is held of beyond it (feed.md, 5).
CREATE INDEX resource_feed ON resource (xid, seq);
CREATE INDEX resource_pending ON resource (pending) WHERE pending <> 0;

-- What the feed says of a resource while a reserve entry is shown in its place.
CREATE TABLE beneath (
    rkey INTEGER PRIMARY KEY, type INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, epoch INTEGER NOT NULL,
    updated_us INTEGER NOT NULL, created INTEGER NOT NULL, seq INTEGER NOT NULL, xid INTEGER NOT NULL, patient INTEGER,
    owner INTEGER NOT NULL, action INTEGER NOT NULL, deleted INTEGER NOT NULL, redacted INTEGER NOT NULL,
    hash BLOB NOT NULL, dictionary INTEGER NOT NULL, body BLOB
) STRICT;

CREATE TABLE token (key INTEGER NOT NULL, rkey INTEGER NOT NULL, PRIMARY KEY (key, rkey)) STRICT, WITHOUT ROWID;
-- Tokens that do not follow from the body alone: the patient that its own was merged into. They go with the resource's others.
CREATE TABLE token_more (rkey INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (rkey, key)) STRICT, WITHOUT ROWID;

CREATE TABLE search_date (
    rkey INTEGER NOT NULL, param INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, edge INTEGER NOT NULL,
    PRIMARY KEY (rkey, param, low, high)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_date_low ON search_date (param, low);
-- Periods over 31 days, open ones too: a search for what overlaps looks back 31 days in search_date_low and here.
CREATE INDEX search_date_wide ON search_date (param, high) WHERE high - low > 2678400000000;

CREATE TABLE search_quantity (
    rkey INTEGER NOT NULL, param INTEGER NOT NULL, key INTEGER NOT NULL, unit INTEGER NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, edge INTEGER NOT NULL,
    PRIMARY KEY (rkey, param, key, unit, low, high)
) STRICT, WITHOUT ROWID;

CREATE TABLE search_string (
    rkey INTEGER NOT NULL, param INTEGER NOT NULL, value TEXT NOT NULL, edge INTEGER NOT NULL,
    PRIMARY KEY (rkey, param, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_string_value ON search_string (param, value);

-- Prepared lexemes of fhir.content, separated by spaces; rowid is the rkey. Those of the narrative begin with "_".
CREATE VIRTUAL TABLE words USING fts5 (
    lexemes, content = '', detail = none, columnsize = 0, tokenize = "ascii tokenchars '_'"
);
-- What is taken out leaves no trace in the index (S26).
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);

CREATE TABLE care_relation (
    rkey INTEGER NOT NULL, patient INTEGER NOT NULL, unit TEXT NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    PRIMARY KEY (patient, unit, until_us, rkey, from_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX care_relation_of ON care_relation (rkey);

CREATE TABLE block (
    rkey INTEGER NOT NULL, patient INTEGER NOT NULL, provider TEXT, unit TEXT, kind TEXT,
    is_inner INTEGER NOT NULL, is_outer INTEGER NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    lifted_for TEXT, lifted_from_us INTEGER NOT NULL, lifted_until_us INTEGER NOT NULL
) STRICT;
CREATE INDEX block_of ON block (rkey);
CREATE INDEX block_patient ON block (patient);

CREATE TABLE consent (
    rkey INTEGER NOT NULL, patient INTEGER NOT NULL, receiver TEXT NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    PRIMARY KEY (patient, receiver, rkey, from_us, until_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_of ON consent (rkey);

-- Patients whose identity is protected now, and which Patient says so: after a merge, either of the two (S23).
CREATE TABLE protected (
    patient INTEGER NOT NULL, rkey INTEGER NOT NULL, PRIMARY KEY (patient, rkey)
) STRICT, WITHOUT ROWID;
CREATE INDEX protected_of ON protected (rkey);

-- opening, alias, apart and what else comes by the private feed: private.sql.

-- How far the feed has been applied: the last version, the last mark below which nothing can come, and whether all below
-- that mark is here (whole: 0 while catching up, when what others have blocked may yet be missing).
CREATE TABLE cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL, xid INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB,
    horizon_xid INTEGER NOT NULL, horizon_us INTEGER NOT NULL, whole INTEGER NOT NULL
) STRICT;
INSERT INTO cursor VALUES (1, 0, 0, 0, NULL, 0, 0, 0);

-- What could not be interpreted (S4): the newest such line of each resource, compressed, and why. patient, owner: as the line said.
CREATE TABLE aside (
    rkey INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, epoch INTEGER NOT NULL,
    patient INTEGER, owner INTEGER, reason TEXT NOT NULL, line BLOB
) STRICT;
CREATE INDEX aside_patient ON aside (patient) WHERE patient IS NOT NULL;
