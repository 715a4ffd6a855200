-- Everything lies in a schema of its own, and is called by it: the database may be shared with
-- others, and behind PgBouncer no session has a search_path to rely on.
--
-- Every operation is a function, for two reasons. Only a function has a lock_timeout that holds
-- behind PgBouncer, where no session keeps one: nobody waits much longer for an answer, and what
-- was given up must not be written later. And only a function's statements are planned once, where
-- no statement can be prepared.
--
-- Without its schema only what the server brought along is found: in any other, somebody could have
-- made a function or an operator that fits better, and would be called in its place.
--
-- Times are milliseconds since 1970 in UTC. Ids start with their time, so new rows land side by
-- side.

-- A row changes a few times and is soon deleted. Its page has room for the changes, and no index
-- is about what changes.
CREATE TABLE phone_auth.codes (
    id           bytea    PRIMARY KEY,
    phone_index  bytea    NOT NULL,
    phone_sealed bytea    NOT NULL,
    key_id       bigint   NOT NULL,
    salt         bytea    NOT NULL,
    length       smallint NOT NULL,
    locale       text     NOT NULL,
    created_at   bigint   NOT NULL,
    expires_at   bigint   NOT NULL,
    tries        smallint NOT NULL,
    attempts     smallint NOT NULL,
    consumed     boolean  NOT NULL,
    send         smallint NOT NULL,
    status       text     NOT NULL,
    queued_at    bigint   NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX codes_of_phone ON phone_auth.codes (phone_index);
CREATE INDEX codes_by_end ON phone_auth.codes (expires_at);

-- What functions give back. Were it the row of the table itself, a call of them would wait for the
-- table's lock before their lock_timeout holds.
CREATE VIEW phone_auth.code AS TABLE phone_auth.codes;

CREATE FUNCTION phone_auth.put_code(
    bytea, bytea, bytea, bigint, bytea, smallint, text, bigint, bigint, smallint, smallint, boolean,
    smallint, text, bigint
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    INSERT INTO phone_auth.codes
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT (id) DO NOTHING;
    RETURN FOUND;
END $$;

CREATE FUNCTION phone_auth.get_code(bytea) RETURNS SETOF phone_auth.code
LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY SELECT * FROM phone_auth.codes WHERE id = $1;
END $$;

CREATE FUNCTION phone_auth.codes_of_phone(bytea[]) RETURNS SETOF phone_auth.code
LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY SELECT * FROM phone_auth.codes WHERE phone_index = ANY ($1)
        ORDER BY created_at DESC;
END $$;

CREATE FUNCTION phone_auth.begin_attempt(bytea) RETURNS SETOF phone_auth.code
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY UPDATE phone_auth.codes SET attempts = least(attempts + 1, 255)
        WHERE id = $1 RETURNING *;
END $$;

CREATE FUNCTION phone_auth.release_attempt(bytea) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    UPDATE phone_auth.codes SET attempts = greatest(attempts - 1, 0) WHERE id = $1;
END $$;

CREATE FUNCTION phone_auth.consume_code(bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    UPDATE phone_auth.codes SET consumed = true WHERE id = $1 AND NOT consumed;
    RETURN FOUND;
END $$;

-- Takes the place of an older message, and of the same message's outcomes in $5.
CREATE FUNCTION phone_auth.set_delivery(bytea, smallint, text, bigint, text[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    UPDATE phone_auth.codes SET send = $2, status = $3, queued_at = $4
     WHERE id = $1 AND (send < $2 OR send = $2 AND status = ANY ($5));
    RETURN FOUND;
END $$;

-- A sweep removes a few rows that are over at $1. It removes none while another node is at it, and
-- leaves those that somebody is changing for the next time: it waits for nobody.
CREATE FUNCTION phone_auth.sweep_codes(bigint, bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
DECLARE
    removed bigint := 0;
BEGIN
    IF pg_try_advisory_xact_lock(hashtextextended('phone_auth.sweep_codes', 0)) THEN
        DELETE FROM phone_auth.codes WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM phone_auth.codes WHERE expires_at <= $1
             LIMIT $2 FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS removed = ROW_COUNT;
    END IF;
    RETURN removed;
END $$;
