-- name: make_version_partitions
-- The partition that new versions go into, and the next one, of 2^26 sequence numbers each.
DO $$
DECLARE
    rows constant bigint := 67108864;
    n bigint;
BEGIN
    FOR n IN SELECT last_value / rows + i FROM version_seq, generate_series(0, 1) i LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS version_%s PARTITION OF version FOR VALUES FROM (%s) TO (%s)',
                       n, n * rows, (n + 1) * rows);
        EXECUTE format('ALTER TABLE version_%s SET (autovacuum_vacuum_insert_scale_factor = 0.05)', n);
    END LOOP;
END $$
