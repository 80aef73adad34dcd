-- Times are seconds since 1970, UTC. Hashes are HMAC-SHA-256; nothing in here opens anything.
CREATE TABLE device_login (
    device_code_hash BLOB PRIMARY KEY,
    user_code_hash   BLOB NOT NULL UNIQUE,
    client_id        TEXT NOT NULL,
    audience         TEXT NOT NULL,
    scope            TEXT NOT NULL,
    peer             TEXT NOT NULL,
    created_s        REAL NOT NULL,
    expires_s        REAL NOT NULL,
    stage            TEXT NOT NULL,
    session_hash     BLOB,
    user_id          TEXT,
    auth_s           REAL
) WITHOUT ROWID;
CREATE INDEX device_login_expires ON device_login (expires_s);

CREATE TABLE refresh_login (
    login_id       BLOB PRIMARY KEY,
    client_id      TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    audience       TEXT NOT NULL,
    scope          TEXT NOT NULL,
    auth_s         REAL NOT NULL,
    created_s      REAL NOT NULL,
    expires_s      REAL NOT NULL,
    idle_expires_s REAL NOT NULL,
    generation     INTEGER NOT NULL,
    current_hash   BLOB NOT NULL,
    previous_hash  BLOB,
    has_ended      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX refresh_login_expires ON refresh_login (expires_s);

CREATE TABLE browser_session (
    session_hash     BLOB PRIMARY KEY,
    created_s        REAL NOT NULL,
    seen_s           REAL NOT NULL,
    user_id          TEXT,
    auth_s           REAL,
    device_code_hash BLOB,
    outcome          TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX browser_session_created ON browser_session (created_s);

CREATE TABLE person (
    user_id       TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    updated_s     REAL NOT NULL,
    is_blocked    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE signing_key (
    key_id    TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    sealed    BLOB NOT NULL,
    created_s REAL NOT NULL
) WITHOUT ROWID;
