-- name: migration
-- What the record says about access (vaka.access.facts), derived from a resource when it is written; rkey: which resource.
-- Times are microseconds since 1970 UTC, [from, until).

-- Who takes part in a patient's care.
CREATE TABLE care_relation (
    rkey bigint NOT NULL, patient bigint NOT NULL, unit text COLLATE "C" NOT NULL, from_us bigint NOT NULL, until_us bigint NOT NULL
);
CREATE INDEX care_relation_of ON care_relation (rkey);
CREATE INDEX care_relation_patient ON care_relation (patient, unit, until_us);

-- What a patient has blocked: of a provider, all of it or one unit's or one kind; and for which unit that is lifted meanwhile.
CREATE TABLE block (
    rkey bigint NOT NULL, patient bigint NOT NULL, provider text COLLATE "C", unit text COLLATE "C", kind text COLLATE "C",
    is_inner boolean NOT NULL, is_outer boolean NOT NULL, from_us bigint NOT NULL, until_us bigint NOT NULL,
    lifted_for text COLLATE "C", lifted_from_us bigint NOT NULL, lifted_until_us bigint NOT NULL
);
CREATE INDEX block_of ON block (rkey);
CREATE INDEX block_patient ON block (patient);

-- Who may read other providers' information about a patient.
CREATE TABLE consent (
    rkey bigint NOT NULL, patient bigint NOT NULL, receiver text COLLATE "C" NOT NULL, from_us bigint NOT NULL, until_us bigint NOT NULL
);
CREATE INDEX consent_of ON consent (rkey);
CREATE INDEX consent_patient ON consent (patient, receiver);

-- Patients whose identity is protected now.
CREATE TABLE protected (patient bigint PRIMARY KEY);

-- What a person has opened: 1 another unit, 2 another provider (active choices, A3, A4), 3 an emergency (A9), 4 an inner block
-- on an attested reason (A6). target: the Organization, null for an emergency. Never deleted; closed_us ends it early.
CREATE TABLE opening (
    opening uuid PRIMARY KEY, patient bigint NOT NULL, person text COLLATE "C" NOT NULL, unit text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL, what smallint NOT NULL, target text COLLATE "C", reason text NOT NULL, session text NOT NULL,
    opened_us bigint NOT NULL, until_us bigint NOT NULL, closed_us bigint
);
CREATE INDEX opening_patient ON opening (patient, person);
CREATE INDEX opening_emergencies ON opening (opened_us) WHERE what IN (3, 4);

CREATE INDEX resource_patient ON resource (patient, owner) WHERE patient IS NOT NULL AND NOT deleted;
