-- name: add
-- No row where the name is taken.
INSERT INTO client (name, keys, scopes, provider) VALUES (%(name)s, %(keys)s::jsonb, %(scopes)s, %(provider)s)
ON CONFLICT DO NOTHING RETURNING client

-- name: remove
UPDATE client SET removed = now() WHERE name = %(name)s AND removed IS NULL RETURNING client

-- name: marks
-- Rows come and are marked as removed, nothing else: these two numbers tell of every change, in whatever order it commits.
SELECT count(*), count(removed) FROM client

-- name: registered
SELECT client, name, keys, scopes, provider, added FROM client WHERE removed IS NULL ORDER BY name

-- name: use_assertion
-- No row where this assertion was used before.
INSERT INTO assertion (client, jti, expires) VALUES (%(client)s, %(jti)s, to_timestamp(%(expires)s))
ON CONFLICT DO NOTHING RETURNING client

-- name: forget_assertions
DELETE FROM assertion WHERE expires < now() - interval '1 minute'

-- name: provider
-- The provider of the Organization that has this id, or one of these keys; and whether it is that provider itself.
SELECT DISTINCT o.provider, r.id = o.provider FROM resource r JOIN owner o USING (owner)
WHERE NOT r.deleted AND (r.rkey = %(rkey)s OR r.tokens @> ARRAY[%(identifier)s::bigint])
