-- name: settings
-- What an acknowledged commit rests on, and what may hold back the feed; durability.REQUIRED says how each must stand.
SELECT name, setting FROM pg_settings WHERE name = ANY (%(names)s)
-- name: is_standby
-- A standby cannot be written to.
SELECT pg_is_in_recovery()
-- name: other_databases
-- Databases of the same cluster: a write in one of them holds back the feed's horizon.
SELECT datname FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND datname <> current_database() ORDER BY datname
-- name: count_tables
-- Tables that are neither PostgreSQL's own nor an extension's.
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
-- name: other_writers
-- Databases in which somebody has a write open now.
SELECT DISTINCT datname FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND backend_xid IS NOT NULL AND datname <> current_database()
