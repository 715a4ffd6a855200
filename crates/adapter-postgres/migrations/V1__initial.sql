-- Everything lies in a schema of its own, and is named by it: the database may be shared with others,
-- and behind PgBouncer no session has a search_path to rely on.
--
-- Times are milliseconds since 1970 in UTC. Ids start with their time, so new rows land side by side.
--
-- An operation that is one statement is sent as that statement. The functions here are those that
-- need several, because they have to see what was committed while they waited for a lock. They
-- give up a lock after a second: nobody waits for their answer much longer, and what is given up
-- must not be written later.

-- Its rows are changed a few times and soon deleted: a change finds room in the row's page, and no
-- index that it touches.
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

CREATE TABLE phone_auth.users (
    id           bytea  PRIMARY KEY,
    phone_index  bytea  NOT NULL UNIQUE,
    phone_sealed bytea  NOT NULL,
    created_at   bigint NOT NULL
);

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

CREATE TABLE phone_auth.counters (
    key          bytea    PRIMARY KEY,
    -- When, how many, when, how many, ...: oldest first.
    hits         bigint[] NOT NULL CHECK (cardinality(hits) % 2 = 0),
    expires_at   bigint   NOT NULL,
    -- For the sweep. An index on the moment itself would be written by every charge.
    over_in_hour bigint   NOT NULL GENERATED ALWAYS AS (expires_at / 3600000) STORED
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX counters_by_end ON phone_auth.counters (over_in_hour);

-- Keeps everybody else who locks one of these names waiting, until the transaction ends. Always in
-- one order, so that no two wait for each other.
CREATE FUNCTION phone_auth.lock_all(names bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(name, 'hex'), 0))
       FROM (SELECT name FROM unnest(names) AS name ORDER BY name) AS sorted;
END $$;

-- The user known by one of the indexes, made under the first of them unless there is one.
--
-- Two nodes whose keys differ may bring one phone under different first indexes, which no unique
-- index keeps apart: they wait for each other at an index that both know.
CREATE FUNCTION phone_auth.find_or_create_user(
    new_id bytea, indexes bytea[], new_sealed bytea, new_created_at bigint
) RETURNS TABLE (id bytea, phone_index bytea, phone_sealed bytea, created_at bigint, created boolean)
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    FOR look IN 1..2 LOOP
        RETURN QUERY SELECT users.*, false FROM phone_auth.users
            WHERE users.phone_index = ANY (indexes)
            ORDER BY array_position(indexes, users.phone_index) LIMIT 1;
        IF FOUND THEN RETURN; END IF;
        PERFORM phone_auth.lock_all(indexes);
    END LOOP;
    RETURN QUERY INSERT INTO phone_auth.users
        VALUES (new_id, indexes[1], new_sealed, new_created_at) RETURNING *, true;
END $$;

-- Stores a session unless its code was used before, and ends the oldest of its user that are too
-- many. The user's lock makes one sign-in see the session of the other.
CREATE FUNCTION phone_auth.insert_session(
    id bytea, user_id bytea, code_id bytea, refresh bytea, created_at bigint, last_seen_at bigint,
    expires_at bigint, ends_at bigint, revoked_at bigint, user_agent text, address inet,
    others bigint
) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM phone_auth.lock_all(ARRAY[$2]);
    INSERT INTO phone_auth.sessions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT ON CONSTRAINT sessions_code_id_key DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE phone_auth.sessions AS old SET revoked_at = $5
     WHERE old.revoked_at IS NULL AND old.id IN (
           SELECT live.id FROM phone_auth.sessions AS live
            WHERE live.user_id = $2 AND live.revoked_at IS NULL AND live.id <> $1
              AND live.expires_at > $5 AND live.ends_at > $5
            ORDER BY live.created_at DESC, live.id OFFSET others);
    RETURN true;
END $$;

-- Ends the sessions of a user, and says how many were live. The lock is insert_session's: both
-- change several rows, and would else wait for each other.
CREATE FUNCTION phone_auth.revoke_sessions(of_user bytea, moment bigint) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    live bigint;
BEGIN
    PERFORM phone_auth.lock_all(ARRAY[of_user]);
    WITH revoked AS (
        UPDATE phone_auth.sessions SET revoked_at = moment
         WHERE user_id = of_user AND revoked_at IS NULL RETURNING expires_at, ends_at)
    SELECT count(*) INTO live FROM revoked WHERE expires_at > moment AND ends_at > moment;
    RETURN live;
END $$;

-- The functions from here on are the arithmetic of the domain's `rate_limit::Counter`. Moments and
-- periods stay below 2^61: no sum of two overflows.

-- Rounded up, so that a hit is counted for its whole window and at most a slot longer.
CREATE FUNCTION phone_auth.slot_of(moment bigint, slot bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS 'SELECT (moment + slot - 1) / slot * slot';

-- How long until a charge fits a window, which takes so many in a period; null if it fits now.
CREATE FUNCTION phone_auth.wait_for(
    hits bigint[], cost bigint, most bigint, period bigint, moment bigint
) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    room   bigint := most - cost;
    leaves bigint;
BEGIN
    IF room < 0 THEN RETURN period; END IF;
    -- From the newest back: the first hit that does not fit has to leave the window.
    FOR i IN REVERSE coalesce(cardinality(hits), 0)..2 BY 2 LOOP
        leaves := hits[i - 1] + period;
        EXIT WHEN leaves <= moment;
        room := room - hits[i];
        IF room < 0 AND leaves > moment THEN RETURN leaves - moment; END IF;
        IF room IS NULL OR leaves IS NULL THEN
            RAISE data_corrupted USING MESSAGE = 'a counter has hits that are no numbers';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- The hits with another one among them, without those at or before a moment.
CREATE FUNCTION phone_auth.recorded(hits bigint[], hit bigint[], forgotten bigint)
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    past int := 0;
    i    int := cardinality(hits);
BEGIN
    WHILE past < i AND hits[past + 1] <= forgotten LOOP past := past + 2; END LOOP;
    -- Clocks of nodes differ: it need not be the newest.
    WHILE i > past AND hits[i - 1] > hit[1] LOOP i := i - 2; END LOOP;
    IF i > past AND hits[i - 1] = hit[1] THEN
        hits[i] := least(hits[i] + hit[2], 4294967295);
        RETURN hits[past + 1:];
    END IF;
    RETURN hits[past + 1:i] || hit || hits[i + 1:];
END $$;

-- The hits without so many of those at a moment; what has left the counter stays gone.
CREATE FUNCTION phone_auth.given_back(hits bigint[], moment bigint, cost bigint)
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    FOR i IN 2..cardinality(hits) BY 2 LOOP
        CONTINUE WHEN hits[i - 1] <> moment;
        IF hits[i] <= cost THEN RETURN hits[:i - 2] || hits[i + 1:]; END IF;
        hits[i] := hits[i] - cost;
    END LOOP;
    RETURN hits;
END $$;

-- Counts all charges, or none: then it says which one has to wait for longest, and how long. A
-- charge is an element of each of the first four arrays; a window, of the charge that it names, of
-- each of the next three.
CREATE FUNCTION phone_auth.acquire(
    keys bytea[], costs bigint[], slots bigint[], spans bigint[],
    charges bigint[], mosts bigint[], periods bigint[], moment bigint,
    OUT refused bigint, OUT wait bigint
) LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM phone_auth.lock_all(keys);
    SELECT charge, phone_auth.wait_for(
               (SELECT hits FROM phone_auth.counters WHERE key = keys[charge]),
               costs[charge], most, period, moment) AS longest
      INTO refused, wait
      FROM unnest(charges, mosts, periods) AS w (charge, most, period)
     ORDER BY longest DESC NULLS LAST LIMIT 1;
    IF wait IS NOT NULL THEN RETURN; END IF;
    INSERT INTO phone_auth.counters AS held (key, hits, expires_at)
    SELECT keys[i], ARRAY[slot, costs[i]], slot + spans[i]
      FROM generate_subscripts(keys, 1) AS i,
           LATERAL (SELECT phone_auth.slot_of(moment, slots[i]) AS slot) AS at
    ON CONFLICT ON CONSTRAINT counters_pkey DO UPDATE SET
        expires_at = greatest(held.expires_at, excluded.expires_at),
        hits = phone_auth.recorded(
            held.hits, excluded.hits, moment - (excluded.expires_at - excluded.hits[1]));
END $$;

-- Takes back charges that were granted at a moment.
CREATE FUNCTION phone_auth.refund(keys bytea[], costs bigint[], slots bigint[], moment bigint)
RETURNS void LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM phone_auth.lock_all(keys);
    FOR i IN 1..cardinality(keys) LOOP
        UPDATE phone_auth.counters
           SET hits = phone_auth.given_back(hits, phone_auth.slot_of(moment, slots[i]), costs[i])
         WHERE key = keys[i];
    END LOOP;
    DELETE FROM phone_auth.counters WHERE key = ANY (keys) AND hits = '{}';
END $$;

-- Forgets counters.
CREATE FUNCTION phone_auth.clear(keys bytea[]) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM phone_auth.lock_all(keys);
    DELETE FROM phone_auth.counters WHERE key = ANY (keys);
END $$;
