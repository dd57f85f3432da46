-- name: said
-- What resources say about access, as parts of the statements that include it. A protection is added, never taken away.
relations AS (
    INSERT INTO care_relation (rkey, patient, unit, from_us, until_us)
    SELECT * FROM unnest(%(r_rkey)s::bigint[], %(r_patient)s::bigint[], %(r_unit)s::text[], %(r_from)s::bigint[], %(r_until)s::bigint[])
), blocks AS (
    INSERT INTO block (rkey, patient, provider, unit, kind, is_inner, is_outer, from_us, until_us,
                       lifted_for, lifted_from_us, lifted_until_us)
    SELECT * FROM unnest(%(b_rkey)s::bigint[], %(b_patient)s::bigint[], %(b_provider)s::text[], %(b_unit)s::text[], %(b_kind)s::text[],
                         %(b_inner)s::boolean[], %(b_outer)s::boolean[], %(b_from)s::bigint[], %(b_until)s::bigint[],
                         %(b_lifted_for)s::text[], %(b_lifted_from)s::bigint[], %(b_lifted_until)s::bigint[])
), consents AS (
    INSERT INTO consent (rkey, patient, receiver, from_us, until_us)
    SELECT * FROM unnest(%(c_rkey)s::bigint[], %(c_patient)s::bigint[], %(c_receiver)s::text[], %(c_from)s::bigint[], %(c_until)s::bigint[])
), protections AS (
    INSERT INTO protected (patient) SELECT * FROM unnest(%(p_patient)s::bigint[]) ON CONFLICT DO NOTHING
)
