//! The laws of the store ports, each in a database of its own, where somebody else has made
//! functions and operators that fit our statements better than the server's own do.

use std::sync::Arc;

use adapter_postgres::Postgres;

use crate::support::{self, somebody};

const TRAPS: &str = "
    DO $do$ DECLARE better text; BEGIN
        FOREACH better IN ARRAY ARRAY[
            'hashtextextended(text, int) RETURNS bigint',
            'cardinality(bytea[]) RETURNS int',
            'cardinality(bigint[]) RETURNS int',
            'array_position(bytea[], bytea) RETURNS int',
            'generate_subscripts(bytea[], int) RETURNS SETOF int',
            'unnest(bytea[]) RETURNS SETOF bytea',
            'unnest(text[]) RETURNS SETOF text',
            'is_same(bigint[], bigint[]) RETURNS boolean',
            'joined(bigint[], bigint[]) RETURNS bigint[]',
            'is_unlike(name, name) RETURNS boolean'
        ] LOOP
            EXECUTE 'CREATE FUNCTION public.' || better || $$ LANGUAGE plpgsql AS
                'BEGIN RAISE $x$somebody else''s code was run$x$; END' $$;
        END LOOP;
    END $do$;
    CREATE OPERATOR public.= (FUNCTION = is_same, LEFTARG = bigint[], RIGHTARG = bigint[]);
    CREATE OPERATOR public.|| (FUNCTION = joined, LEFTARG = bigint[], RIGHTARG = bigint[]);
    CREATE OPERATOR public.!~ (FUNCTION = is_unlike, LEFTARG = name, RIGHTARG = name)";

async fn open() -> Arc<Postgres> {
    let url = servers::Postgres::shared().database();
    somebody(&url).await.batch_execute(TRAPS).await.unwrap();
    support::open(&url).await
}

conformance::code_store_laws!(open);
conformance::user_repo_laws!(open);
conformance::session_store_laws!(open);
conformance::rate_limiter_laws!(open);
