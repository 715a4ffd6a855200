CREATE TABLE phone_auth.counters (
    key          bytea    PRIMARY KEY,
    -- When, how many, when, how many, ...: oldest first.
    hits         bigint[] NOT NULL CHECK (cardinality(hits) % 2 = 0),
    expires_at   bigint   NOT NULL,
    -- For the sweep. An index on the moment itself would be written by every charge.
    over_in_hour bigint   NOT NULL GENERATED ALWAYS AS (expires_at / 3600000) STORED
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX counters_by_end ON phone_auth.counters (over_in_hour);

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
        room := room - hits[i];
        IF leaves + room IS NULL THEN
            RAISE data_corrupted USING MESSAGE = 'a counter has hits that are no numbers';
        END IF;
        EXIT WHEN leaves <= moment;
        IF room < 0 THEN RETURN leaves - moment; END IF;
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
) LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
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
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
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
CREATE FUNCTION phone_auth.clear_counters(keys bytea[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
BEGIN
    PERFORM phone_auth.lock_all(keys);
    DELETE FROM phone_auth.counters WHERE key = ANY (keys);
END $$;

CREATE FUNCTION phone_auth.sweep_counters(bigint, bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
DECLARE
    removed bigint := 0;
BEGIN
    IF pg_try_advisory_xact_lock(hashtextextended('phone_auth.sweep_counters', 0)) THEN
        DELETE FROM phone_auth.counters WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM phone_auth.counters
             WHERE over_in_hour <= $1 / 3600000 AND expires_at <= $1
             LIMIT $2 FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS removed = ROW_COUNT;
    END IF;
    RETURN removed;
END $$;
