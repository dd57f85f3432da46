-- name: migration
-- Whose record an entry stood in while a merge lasted that was taken apart since: its versions of that time are its own patient's
-- again (S23). A row for each patient that was given back, and each record that its entries stood in.
CREATE TABLE apart (
    patient bigint NOT NULL, was_in bigint NOT NULL, from_us bigint NOT NULL, until_us bigint NOT NULL,
    PRIMARY KEY (patient, was_in, from_us)
);
CREATE INDEX apart_was_in ON apart (was_in);
CREATE INDEX alias_root ON alias (root);

-- What a record that is older than care_relation, block, consent and protected says about access has still to be derived
-- (journal.deriving); a record that is not older is derived once more, which changes nothing.
INSERT INTO fact SELECT 'access facts', 'due' WHERE EXISTS (SELECT 1 FROM version);
