-- name: schema
-- In record.db, from the private feed (vaka.copy.private). generation: of the reading from nothing that gave the row last. What
-- never reaches a copy has no table here. Times that the journal's database gave are kept as it wrote them.

-- How far the private feed was applied; null: nothing yet, or to be read from nothing. sweeping: what this generation does not
-- give goes at its first mark.
CREATE TABLE IF NOT EXISTS private_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT, generation INTEGER NOT NULL, sweeping INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO private_state VALUES (1, NULL, 1, 0);

-- As in the journal, without the reason. pending: made on this copy, and not given back by the journal yet.
CREATE TABLE IF NOT EXISTS opening (
    opening TEXT PRIMARY KEY, patient INTEGER NOT NULL, person TEXT NOT NULL, unit TEXT NOT NULL, provider TEXT NOT NULL,
    what INTEGER NOT NULL, target TEXT, session TEXT NOT NULL, opened_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    closed_us INTEGER, pending INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS opening_patient ON opening (patient, person);

CREATE TABLE IF NOT EXISTS alias (
    patient INTEGER PRIMARY KEY, id TEXT NOT NULL, into_patient INTEGER NOT NULL, into_id TEXT NOT NULL, root INTEGER NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS alias_root ON alias (root);

CREATE TABLE IF NOT EXISTS apart (
    patient INTEGER NOT NULL, was_in INTEGER NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL,
    generation INTEGER NOT NULL, PRIMARY KEY (patient, was_in, from_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS apart_was_in ON apart (was_in);

-- The journal's numbers: rows of resources rest on them, so none is ever changed here (the follower gives a number of its own
-- where the journal gives one again), nor taken away. So too dictionaries.
CREATE TABLE IF NOT EXISTS owner (
    owner INTEGER PRIMARY KEY, unit TEXT, provider TEXT, kind TEXT NOT NULL, author TEXT, source TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS dictionary (dictionary INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;

-- number: the order in which they came here, never used again: who follows asks from the last one on.
CREATE TABLE IF NOT EXISTS revocation (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, session TEXT, person TEXT NOT NULL, at_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL, generation INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS passkey (
    credential BLOB PRIMARY KEY, person TEXT NOT NULL, site TEXT NOT NULL, public_key BLOB NOT NULL, signs INTEGER NOT NULL,
    demo INTEGER NOT NULL, made TEXT NOT NULL, generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passkey_person ON passkey (person);

-- keys: a JSON Web Key Set, public.
CREATE TABLE IF NOT EXISTS client (
    client INTEGER PRIMARY KEY, name TEXT NOT NULL, keys TEXT NOT NULL, scopes TEXT NOT NULL, provider TEXT, added TEXT NOT NULL,
    removed TEXT, generation INTEGER NOT NULL
) STRICT;

-- Public keys with which copies sign sessions.
CREATE TABLE IF NOT EXISTS copy_key (
    kid TEXT PRIMARY KEY, copy TEXT NOT NULL, public_key BLOB NOT NULL, added TEXT NOT NULL, removed TEXT,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The journal's: public keys of sessions and tokens by kid, and the keys of forms and page addresses.
CREATE TABLE IF NOT EXISTS journal_key (
    use TEXT NOT NULL, kid TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (use, kid)
) STRICT, WITHOUT ROWID;

-- name: state
SELECT cursor, generation, sweeping FROM private_state

-- name: begin_anew
UPDATE private_state SET cursor = NULL, generation = generation + 1, sweeping = 1

-- name: keep_state
UPDATE private_state SET cursor = :cursor, sweeping = :sweeping

-- name: put_opening
INSERT OR REPLACE INTO opening (opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us,
    pending, generation)
VALUES (:opening, :patient, :person, :unit, :provider, :what, :target, :session, :opened_us, :until_us, :closed_us, 0, :generation)

-- name: put_alias
INSERT OR REPLACE INTO alias VALUES (:patient, :id, :into_patient, :into_id, :root, :generation)

-- name: put_apart
INSERT OR REPLACE INTO apart VALUES (:patient, :was_in, :from_us, :until_us, :generation)

-- name: put_owner
INSERT OR IGNORE INTO owner (owner, unit, provider, kind, author, source)
VALUES (:owner, :unit, :provider, :kind, :author, :source)

-- name: put_dictionary
INSERT OR IGNORE INTO dictionary (dictionary, content) VALUES (:dictionary, :content)

-- name: put_revocation
INSERT OR REPLACE INTO revocation (key, session, person, at_us, until_us, generation)
VALUES (:key, :session, :person, :at_us, :until_us, :generation)

-- name: put_passkey
INSERT OR REPLACE INTO passkey VALUES (:credential, :person, :site, :public_key, :signs, :demo, :made, :generation)

-- name: put_client
INSERT OR REPLACE INTO client VALUES (:client, :name, :keys, :scopes, :provider, :added, :removed, :generation)

-- name: put_copy_key
INSERT OR REPLACE INTO copy_key VALUES (:kid, :copy, :public_key, :added, :removed, :generation)

-- name: drop_opening
DELETE FROM opening WHERE opening = :key

-- name: drop_alias
DELETE FROM alias WHERE patient = :key

-- name: drop_apart
DELETE FROM apart WHERE patient || '|' || was_in || '|' || from_us = :key

-- name: drop_owner
SELECT 1

-- name: drop_dictionary
SELECT 1

-- name: drop_revocation
DELETE FROM revocation WHERE key = :key

-- name: drop_passkey
DELETE FROM passkey WHERE credential = unhex(substr(:key, 3))

-- name: drop_client
DELETE FROM client WHERE client = :key

-- name: drop_copy_key
DELETE FROM copy_key WHERE kid = :key

-- name: sweep
-- What the journal did not give when it was read from nothing. What was made here stays until it is handed over.
DELETE FROM opening WHERE generation < :generation AND pending = 0;
DELETE FROM alias WHERE generation < :generation;
DELETE FROM apart WHERE generation < :generation;
DELETE FROM revocation WHERE generation < :generation;
DELETE FROM passkey WHERE generation < :generation;
DELETE FROM client WHERE generation < :generation;
DELETE FROM copy_key WHERE generation < :generation;

-- name: forget_revocations
DELETE FROM revocation WHERE until_us < :now_us

-- name: drop_journal_keys
DELETE FROM journal_key

-- name: put_journal_key
INSERT INTO journal_key VALUES (:use, :kid, :content)

-- name: journal_keys
SELECT use, kid, content FROM journal_key

-- name: journal_key
SELECT content FROM journal_key WHERE use = :use AND kid = ''

-- name: copy_keys
SELECT kid, public_key FROM copy_key WHERE removed IS NULL

-- name: passkey
SELECT credential, person, site, public_key, signs, demo FROM passkey WHERE credential = :credential

-- name: passkeys_of
SELECT credential FROM passkey WHERE person = :person ORDER BY made, credential

-- name: revocations
SELECT number, session, person, at_us, until_us FROM revocation WHERE number > :after AND until_us > :now_us ORDER BY number

-- name: show_opening
-- Made on this copy. The journal's word of the same one counts.
INSERT INTO opening (opening, patient, person, unit, provider, what, target, session, opened_us, until_us, closed_us, pending,
    generation)
VALUES (:opening, :patient, :person, :unit, :provider, :what, :target, :session, :opened_us, :until_us, :closed_us, 1, 0)
ON CONFLICT (opening) DO UPDATE SET closed_us = coalesce(opening.closed_us, excluded.closed_us)

-- name: close_opening
UPDATE opening SET closed_us = :now WHERE opening = :opening AND closed_us IS NULL

-- name: hide_opening
-- The journal refused it: it was never one.
DELETE FROM opening WHERE opening = :opening AND pending = 1

-- name: copy_key_known
SELECT 1 FROM copy_key WHERE kid = :kid

-- name: clients_registered
SELECT 1 FROM client WHERE name = :name AND client = :client AND removed IS NULL
