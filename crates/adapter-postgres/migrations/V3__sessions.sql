CREATE TABLE phone_auth.sessions (
    id           bytea  PRIMARY KEY,
    user_id      bytea  NOT NULL,
    -- What makes a code sign in once.
    code_id      bytea  NOT NULL UNIQUE,
    refresh      bytea,
    created_at   bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    expires_at   bigint NOT NULL,
    ends_at      bigint NOT NULL,
    revoked_at   bigint,
    user_agent   text,
    address      inet   NOT NULL,
    -- For the sweep. An index on the moment itself would be written by every refresh.
    over_in_hour bigint NOT NULL GENERATED ALWAYS AS (least(expires_at, ends_at) / 3600000) STORED
) WITH (fillfactor = 80);

CREATE INDEX sessions_of_user ON phone_auth.sessions (user_id, created_at) WHERE revoked_at IS NULL;
CREATE INDEX sessions_by_end ON phone_auth.sessions (over_in_hour);

CREATE VIEW phone_auth.session AS TABLE phone_auth.sessions;

-- Stores a session unless its code was used before, and ends all others of its user but the newest
-- $12. The lock on the user lets each sign-in see the session of the one before.
CREATE FUNCTION phone_auth.insert_session(
    bytea, bytea, bytea, bytea, bigint, bigint, bigint, bigint, bigint, text, inet, bigint
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    PERFORM phone_auth.lock_all(ARRAY[$2]);
    INSERT INTO phone_auth.sessions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE phone_auth.sessions SET revoked_at = $5
     WHERE revoked_at IS NULL AND id IN (
           SELECT id FROM phone_auth.sessions
            WHERE user_id = $2 AND revoked_at IS NULL AND id <> $1
              AND expires_at > $5 AND ends_at > $5
            ORDER BY created_at DESC, id OFFSET $12);
    RETURN true;
END $$;

CREATE FUNCTION phone_auth.get_session(bytea) RETURNS SETOF phone_auth.session
LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY SELECT * FROM phone_auth.sessions WHERE id = $1;
END $$;

CREATE FUNCTION phone_auth.live_sessions(bytea, bigint) RETURNS SETOF phone_auth.session
LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY SELECT * FROM phone_auth.sessions
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND ends_at > $2
        ORDER BY created_at DESC, id;
END $$;

-- Exchanges the token $2 for $3 at $4, or revokes a session whose token it is not: either way the
-- session as it is then. In one statement, because two would each look at another moment.
CREATE FUNCTION phone_auth.rotate_session(bytea, bytea, bytea, bigint, bigint)
RETURNS SETOF phone_auth.session
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY UPDATE phone_auth.sessions SET
        refresh      = CASE refresh WHEN $2 THEN $3 ELSE refresh END,
        last_seen_at = CASE refresh WHEN $2 THEN $4 ELSE last_seen_at END,
        expires_at   = CASE refresh WHEN $2 THEN $5 ELSE expires_at END,
        revoked_at   = CASE refresh WHEN $2 THEN NULL ELSE $4 END
        WHERE id = $1 AND refresh IS NOT NULL AND revoked_at IS NULL RETURNING *;
END $$;

CREATE FUNCTION phone_auth.revoke_session(bytea, bigint) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    UPDATE phone_auth.sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL;
    RETURN FOUND;
END $$;

-- Ends the sessions of a user, and says how many were live. Its lock is that of insert_session:
-- both change several rows, and would else wait for each other.
CREATE FUNCTION phone_auth.revoke_sessions(bytea, bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
DECLARE
    live bigint;
BEGIN
    PERFORM phone_auth.lock_all(ARRAY[$1]);
    WITH revoked AS (
        UPDATE phone_auth.sessions SET revoked_at = $2
         WHERE user_id = $1 AND revoked_at IS NULL RETURNING expires_at, ends_at)
    SELECT count(*) INTO live FROM revoked WHERE expires_at > $2 AND ends_at > $2;
    RETURN live;
END $$;

CREATE FUNCTION phone_auth.sweep_sessions(bigint, bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
DECLARE
    removed bigint := 0;
BEGIN
    IF pg_try_advisory_xact_lock(hashtextextended('phone_auth.sweep_sessions', 0)) THEN
        DELETE FROM phone_auth.sessions WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM phone_auth.sessions
             WHERE over_in_hour <= $1 / 3600000 AND least(expires_at, ends_at) <= $1
             LIMIT $2 FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS removed = ROW_COUNT;
    END IF;
    RETURN removed;
END $$;
