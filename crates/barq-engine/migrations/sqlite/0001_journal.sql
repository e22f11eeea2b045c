-- The journal and the read models kept beside it. Times are microseconds since 1970-01-01 UTC.
-- STRICT, so that SQLite holds to the column types as PostgreSQL does.

-- One row: the newest event, advanced by compare-and-set in the transaction that appends.
CREATE TABLE journal_head (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    sequence  INTEGER NOT NULL CHECK (sequence >= 0),
    mac       BLOB NOT NULL,
    seal      BLOB NOT NULL,
    epoch     INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    sequence  INTEGER NOT NULL PRIMARY KEY CHECK (sequence > 0),
    at_micros INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    app       TEXT,
    subject   TEXT NOT NULL,
    kind      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    payload   TEXT NOT NULL,
    batch     BLOB NOT NULL,
    mac       BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events (subject, sequence);
CREATE INDEX events_by_app ON events (app, sequence);
CREATE INDEX events_by_actor ON events (actor, sequence);
CREATE INDEX events_by_kind ON events (kind, sequence);
CREATE INDEX events_by_time ON events (at_micros, sequence);

-- Which version of the projecting code filled the read models; 0 while they are being filled.
CREATE TABLE projection (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    version   INTEGER NOT NULL
) STRICT;
INSERT INTO projection (singleton, version) VALUES (1, 0);

CREATE TABLE deliveries (
    id                 TEXT NOT NULL PRIMARY KEY,
    app                TEXT NOT NULL,
    number             INTEGER NOT NULL,
    state              TEXT NOT NULL,
    commit_hash        TEXT NOT NULL,
    created_at_micros  INTEGER NOT NULL,
    finished_at_micros INTEGER,
    document           TEXT NOT NULL,
    sequence           INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_by_app ON deliveries (app, number DESC, id DESC);
CREATE INDEX deliveries_by_app_state ON deliveries (app, state, number DESC, id DESC);
CREATE INDEX deliveries_by_state ON deliveries (state, created_at_micros DESC, id DESC);
CREATE INDEX deliveries_by_time ON deliveries (created_at_micros DESC, id DESC);
CREATE INDEX deliveries_by_commit ON deliveries (commit_hash);

CREATE TABLE incidents (
    id               TEXT NOT NULL PRIMARY KEY,
    app              TEXT NOT NULL,
    environment      TEXT NOT NULL,
    opened_at_micros INTEGER NOT NULL,
    state            TEXT NOT NULL,
    document         TEXT NOT NULL,
    sequence         INTEGER NOT NULL
) STRICT;
CREATE INDEX incidents_by_time ON incidents (opened_at_micros DESC, id DESC);
CREATE INDEX incidents_by_app ON incidents (app, opened_at_micros DESC, id DESC);
CREATE INDEX incidents_by_state ON incidents (state, opened_at_micros DESC, id DESC);

CREATE TABLE tokens (
    name              TEXT NOT NULL PRIMARY KEY,
    role              TEXT NOT NULL,
    hash              TEXT NOT NULL UNIQUE,
    created_at_micros INTEGER NOT NULL,
    revoked_at_micros INTEGER,
    sequence          INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    key      TEXT NOT NULL PRIMARY KEY,
    value    TEXT NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
    key_hash           TEXT NOT NULL,
    actor              TEXT NOT NULL,
    request_digest     TEXT NOT NULL,
    response           TEXT NOT NULL,
    recorded_at_micros INTEGER NOT NULL,
    expires_at_micros  INTEGER NOT NULL,
    PRIMARY KEY (actor, key_hash)
) STRICT;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at_micros);
