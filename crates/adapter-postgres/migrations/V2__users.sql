CREATE TABLE phone_auth.users (
    id           bytea  PRIMARY KEY,
    phone_index  bytea  NOT NULL UNIQUE,
    phone_sealed bytea  NOT NULL,
    created_at   bigint NOT NULL
);

CREATE VIEW phone_auth.user AS TABLE phone_auth.users;

CREATE FUNCTION phone_auth.get_user(bytea) RETURNS SETOF phone_auth.user
LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY SELECT * FROM phone_auth.users WHERE id = $1;
END $$;

CREATE FUNCTION phone_auth.user_of_phone(bytea[]) RETURNS SETOF phone_auth.user
LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    RETURN QUERY SELECT * FROM phone_auth.users WHERE phone_index = ANY ($1)
        ORDER BY array_position($1, phone_index) LIMIT 1;
END $$;

CREATE FUNCTION phone_auth.reseal_user(bytea, bytea, bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    UPDATE phone_auth.users SET phone_index = $2, phone_sealed = $3 WHERE id = $1;
    RETURN FOUND;
END $$;

CREATE FUNCTION phone_auth.delete_user(bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    DELETE FROM phone_auth.users WHERE id = $1;
    RETURN FOUND;
END $$;

-- Keeps everybody else who locks one of these names waiting until the transaction ends. Always in
-- one order, so that no two wait for each other. What follows in the function sees all that those
-- who held a name before have committed.
CREATE FUNCTION phone_auth.lock_all(bytea[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(encode(name, 'hex'), 0))
       FROM (SELECT name FROM unnest($1) AS name ORDER BY name) AS sorted;
END $$;

-- The user known by one of the indexes $2, made under the first of them if there is none.
--
-- Two nodes whose keys differ may bring one phone under different first indexes, which no unique
-- index keeps apart: they wait for each other at an index that both know.
CREATE FUNCTION phone_auth.find_or_create_user(bytea, bytea[], bytea, bigint)
RETURNS TABLE (id bytea, phone_index bytea, phone_sealed bytea, created_at bigint, created boolean)
LANGUAGE plpgsql SET search_path = pg_catalog SET lock_timeout = '1s' AS $$ BEGIN
    FOR look IN 1..2 LOOP
        RETURN QUERY SELECT known.*, false FROM phone_auth.user_of_phone($2) AS known;
        IF FOUND THEN RETURN; END IF;
        PERFORM phone_auth.lock_all($2);
    END LOOP;
    RETURN QUERY INSERT INTO phone_auth.users VALUES ($1, $2[1], $3, $4) RETURNING *, true;
END $$;
