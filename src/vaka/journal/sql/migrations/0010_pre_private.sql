-- name: migration
-- The private feed: what a read copy needs beside the record (traps: Credentials, sessions, revocations travel too). The newest
-- line of each key, kept by triggers in the transaction that changes its table. row: null where it was taken away. xid: so
-- that a reader skips none that commits late, as in the feed.
CREATE SEQUENCE private_seq AS bigint;
CREATE TABLE private_change (
    topic text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('private_seq'), xid xid8 NOT NULL DEFAULT pg_current_xact_id(), row jsonb,
    PRIMARY KEY (topic, key)
) WITH (fillfactor = 90);
CREATE INDEX private_change_order ON private_change (xid, seq);

-- Arguments: topic; columns of the key; columns that do not travel; 'forget' where a row that goes needs no line, since its
-- reader forgets it by its own time. Columns are named with commas between.
CREATE FUNCTION private_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    told jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    held text := (SELECT string_agg(coalesce(gone ->> c, ''), '|') FROM unnest(string_to_array(TG_ARGV[1], ',')) AS c);
    named text := (SELECT string_agg(coalesce(told ->> c, ''), '|') FROM unnest(string_to_array(TG_ARGV[1], ',')) AS c);
BEGIN
    IF gone IS NOT NULL AND held IS DISTINCT FROM named THEN
        IF TG_ARGV[3] = 'forget' THEN
            DELETE FROM private_change WHERE topic = TG_ARGV[0] AND key = held;
        ELSE
            INSERT INTO private_change (topic, key, row) VALUES (TG_ARGV[0], held, NULL)
            ON CONFLICT (topic, key) DO UPDATE SET seq = nextval('private_seq'), xid = pg_current_xact_id(), row = NULL;
        END IF;
    END IF;
    IF told IS NOT NULL THEN
        INSERT INTO private_change AS p (topic, key, row) VALUES (TG_ARGV[0], named, told - string_to_array(TG_ARGV[2], ','))
        ON CONFLICT (topic, key) DO UPDATE SET seq = nextval('private_seq'), xid = pg_current_xact_id(), row = excluded.row
        WHERE p.row IS DISTINCT FROM excluded.row;
    END IF;
    RETURN NULL;
END $$;

-- The signing keys of copies: a copy's sessions are good while its key stands here. removed: by an operator, or by a newer key.
-- principal: whose token brought it.
CREATE TABLE copy_key (
    kid text PRIMARY KEY, copy text NOT NULL, principal text NOT NULL, public_key bytea NOT NULL,
    added timestamptz NOT NULL DEFAULT now(), removed timestamptz
);
CREATE INDEX copy_key_copy ON copy_key (copy);
-- Copies that an operator has shut out: nothing of theirs is taken any more.
CREATE TABLE copy_refused (copy text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());

-- What stands already.
INSERT INTO private_change (topic, key, row) SELECT 'opening', opening::text, to_jsonb(t) - 'reason'::text FROM opening t;
INSERT INTO private_change (topic, key, row) SELECT 'alias', patient::text, to_jsonb(t) FROM alias t;
INSERT INTO private_change (topic, key, row) SELECT 'apart', concat_ws('|', patient, was_in, from_us), to_jsonb(t) FROM apart t;
INSERT INTO private_change (topic, key, row)
SELECT DISTINCT ON (person, session, at_us) 'revocation', concat_ws('|', person, coalesce(session, ''), at_us),
       to_jsonb(t) - '{xid,reason}'::text[] FROM revocation t;
INSERT INTO private_change (topic, key, row) SELECT 'passkey', to_jsonb(t) ->> 'credential', to_jsonb(t) - 'used'::text FROM passkey t;
INSERT INTO private_change (topic, key, row) SELECT 'client', client::text, to_jsonb(t) FROM client t;
INSERT INTO private_change (topic, key, row) SELECT 'owner', owner::text, to_jsonb(t) FROM owner t;
INSERT INTO private_change (topic, key, row) SELECT 'dictionary', dictionary::text, to_jsonb(t) FROM dictionary t;

CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON opening
    FOR EACH ROW EXECUTE FUNCTION private_note('opening', 'opening', 'reason', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON alias
    FOR EACH ROW EXECUTE FUNCTION private_note('alias', 'patient', '', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON apart
    FOR EACH ROW EXECUTE FUNCTION private_note('apart', 'patient,was_in,from_us', '', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON revocation
    FOR EACH ROW EXECUTE FUNCTION private_note('revocation', 'person,session,at_us', 'xid,reason', 'forget');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON passkey
    FOR EACH ROW EXECUTE FUNCTION private_note('passkey', 'credential', 'used', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON client
    FOR EACH ROW EXECUTE FUNCTION private_note('client', 'client', '', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON owner
    FOR EACH ROW EXECUTE FUNCTION private_note('owner', 'owner', '', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON dictionary
    FOR EACH ROW EXECUTE FUNCTION private_note('dictionary', 'dictionary', '', '');
CREATE TRIGGER private AFTER INSERT OR UPDATE OR DELETE ON copy_key
    FOR EACH ROW EXECUTE FUNCTION private_note('copy_key', 'kid', 'principal', '');
