-- Times are milliseconds since 1970 in UTC. Ids start with their time, so new rows land side by side.

CREATE TABLE codes (
    id           BLOB    PRIMARY KEY,
    phone_index  BLOB    NOT NULL,
    phone_sealed BLOB    NOT NULL,
    key_id       INTEGER NOT NULL,
    salt         BLOB    NOT NULL,
    length       INTEGER NOT NULL,
    locale       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    tries        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    consumed     INTEGER NOT NULL,
    send         INTEGER NOT NULL,
    status       TEXT    NOT NULL,
    queued_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_of_phone ON codes (phone_index, created_at);
CREATE INDEX codes_by_end ON codes (expires_at);

CREATE TABLE users (
    id           BLOB    PRIMARY KEY,
    phone_index  BLOB    NOT NULL UNIQUE,
    phone_sealed BLOB    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id           BLOB    PRIMARY KEY,
    user_id      BLOB    NOT NULL,
    -- What makes a code sign in once.
    code_id      BLOB    NOT NULL UNIQUE,
    refresh      BLOB,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL,
    revoked_at   INTEGER,
    user_agent   TEXT,
    address      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user_id, created_at) WHERE revoked_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (min(expires_at, ends_at));

CREATE TABLE counters (
    key          BLOB    PRIMARY KEY,
    hits         BLOB    NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX counters_by_end ON counters (expires_at);
