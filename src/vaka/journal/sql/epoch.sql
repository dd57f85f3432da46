-- name: keep_epoch
-- Begins an epoch if this server's identity or timeline is not the one of the last: what a lost tail had given out can never
-- be given again. The name of the WAL file in use does not lag after a promotion, pg_control_checkpoint() does.
INSERT INTO epoch (epoch, system_identifier, timeline, reason)
SELECT last.epoch + 1, now.system, now.timeline,
       format('timeline %s of %s became timeline %s of %s', last.timeline, last.system_identifier, now.timeline, now.system)
FROM (SELECT system_identifier::text AS system, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline
      FROM pg_control_system()) AS now,
     (SELECT * FROM epoch ORDER BY epoch DESC LIMIT 1) AS last
WHERE (last.system_identifier, last.timeline) <> (now.system, now.timeline)
ON CONFLICT (epoch) DO NOTHING

-- name: current_epoch
SELECT max(epoch) FROM epoch

-- name: end_sessions
-- A new epoch begins for everybody at once: each session learns it when it is made again.
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND backend_type = 'client backend' AND pid <> pg_backend_pid()
