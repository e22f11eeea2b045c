-- The journal and the read models kept beside it. Times are microseconds since 1970-01-01 UTC.
-- Text collates by bytes, so that both databases page in the same order.

-- One row: the newest event, advanced by compare-and-set in the transaction that appends.
CREATE TABLE journal_head (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    sequence  BIGINT NOT NULL CHECK (sequence >= 0),
    mac       BYTEA NOT NULL,
    seal      BYTEA NOT NULL,
    epoch     BIGINT NOT NULL
);

CREATE TABLE events (
    sequence  BIGINT NOT NULL PRIMARY KEY CHECK (sequence > 0),
    at_micros BIGINT NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    app       TEXT COLLATE "C",
    subject   TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    version   BIGINT NOT NULL,
    payload   TEXT COLLATE "C" NOT NULL,
    batch     BYTEA NOT NULL,
    mac       BYTEA NOT NULL
);
CREATE INDEX events_by_subject ON events (subject, sequence);
CREATE INDEX events_by_app ON events (app, sequence);
CREATE INDEX events_by_actor ON events (actor, sequence);
CREATE INDEX events_by_kind ON events (kind, sequence);
CREATE INDEX events_by_time ON events (at_micros, sequence);

-- Which version of the projecting code filled the read models; 0 while they are being filled.
CREATE TABLE projection (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    version   BIGINT NOT NULL
);
INSERT INTO projection (singleton, version) VALUES (1, 0);

CREATE TABLE deliveries (
    id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    app                TEXT COLLATE "C" NOT NULL,
    number             BIGINT NOT NULL,
    state              TEXT COLLATE "C" NOT NULL,
    commit_hash        TEXT COLLATE "C" NOT NULL,
    created_at_micros  BIGINT NOT NULL,
    finished_at_micros BIGINT,
    document           TEXT COLLATE "C" NOT NULL,
    sequence           BIGINT NOT NULL
);
CREATE INDEX deliveries_by_app ON deliveries (app, number DESC, id DESC);
CREATE INDEX deliveries_by_app_state ON deliveries (app, state, number DESC, id DESC);
CREATE INDEX deliveries_by_state ON deliveries (state, created_at_micros DESC, id DESC);
CREATE INDEX deliveries_by_time ON deliveries (created_at_micros DESC, id DESC);
CREATE INDEX deliveries_by_commit ON deliveries (commit_hash);

CREATE TABLE incidents (
    id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    app              TEXT COLLATE "C" NOT NULL,
    environment      TEXT COLLATE "C" NOT NULL,
    opened_at_micros BIGINT NOT NULL,
    state            TEXT COLLATE "C" NOT NULL,
    document         TEXT COLLATE "C" NOT NULL,
    sequence         BIGINT NOT NULL
);
CREATE INDEX incidents_by_time ON incidents (opened_at_micros DESC, id DESC);
CREATE INDEX incidents_by_app ON incidents (app, opened_at_micros DESC, id DESC);
CREATE INDEX incidents_by_state ON incidents (state, opened_at_micros DESC, id DESC);

CREATE TABLE tokens (
    name              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    role              TEXT COLLATE "C" NOT NULL,
    hash              TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at_micros BIGINT NOT NULL,
    revoked_at_micros BIGINT,
    sequence          BIGINT NOT NULL
);

CREATE TABLE settings (
    key      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value    TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL
);

CREATE TABLE idempotency (
    key_hash           TEXT COLLATE "C" NOT NULL,
    actor              TEXT COLLATE "C" NOT NULL,
    request_digest     TEXT COLLATE "C" NOT NULL,
    response           TEXT COLLATE "C" NOT NULL,
    recorded_at_micros BIGINT NOT NULL,
    expires_at_micros  BIGINT NOT NULL,
    PRIMARY KEY (actor, key_hash)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at_micros);
