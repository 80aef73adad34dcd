-- Everything the other grants need. Tuples are JSON; a tuple of hashes is one after the other, 32 bytes each.
ALTER TABLE device_login ADD COLUMN sid TEXT;
ALTER TABLE refresh_login RENAME COLUMN current_hash TO current_hashes;
ALTER TABLE refresh_login RENAME COLUMN previous_hash TO previous_hashes;
UPDATE refresh_login SET previous_hashes = CAST('' AS BLOB) WHERE previous_hashes IS NULL;
ALTER TABLE refresh_login ADD COLUMN rotated_s REAL;
ALTER TABLE refresh_login ADD COLUMN key_thumbprint TEXT;
ALTER TABLE refresh_login ADD COLUMN sid TEXT;
CREATE INDEX refresh_login_owner ON refresh_login (user_id, client_id, created_s);

CREATE TABLE authorization_code (
    code_hash      BLOB PRIMARY KEY,
    client_id      TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL,
    challenge      TEXT,
    audience       TEXT NOT NULL,
    scope          TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    auth_s         REAL NOT NULL,
    created_s      REAL NOT NULL,
    expires_s      REAL NOT NULL,
    nonce          TEXT,
    key_thumbprint TEXT,
    sid            TEXT,
    login_id       BLOB,
    is_spent       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX authorization_code_expires ON authorization_code (expires_s);

CREATE TABLE pushed_request (
    uri_hash   BLOB PRIMARY KEY,
    client_id  TEXT NOT NULL,
    parameters TEXT NOT NULL,
    expires_s  REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX pushed_request_expires ON pushed_request (expires_s);

CREATE TABLE consent (
    user_id   TEXT NOT NULL,
    client_id TEXT NOT NULL,
    audience  TEXT NOT NULL,
    scope     TEXT NOT NULL,
    created_s REAL NOT NULL,
    PRIMARY KEY (user_id, client_id, audience)
) WITHOUT ROWID;

CREATE TABLE authenticator (
    authenticator_id TEXT PRIMARY KEY,
    user_id          TEXT NOT NULL,
    factor           TEXT NOT NULL,
    secret           BLOB NOT NULL,
    created_s        REAL NOT NULL,
    is_active        INTEGER NOT NULL,
    last_step        INTEGER
) WITHOUT ROWID;
CREATE INDEX authenticator_owner ON authenticator (user_id, created_s);

CREATE TABLE mfa_login (
    token_hash       BLOB PRIMARY KEY,
    user_id          TEXT NOT NULL,
    client_id        TEXT NOT NULL,
    audience         TEXT NOT NULL,
    scope            TEXT NOT NULL,
    grant_name       TEXT NOT NULL,
    created_s        REAL NOT NULL,
    expires_s        REAL NOT NULL,
    key_thumbprint   TEXT,
    oob_hash         BLOB,
    binding_hash     BLOB,
    oob_expires_s    REAL,
    authenticator_id TEXT,
    is_spent         INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mfa_login_expires ON mfa_login (expires_s);

CREATE TABLE used_once (
    mark      BLOB PRIMARY KEY,
    expires_s REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX used_once_expires ON used_once (expires_s);

CREATE TABLE document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE INDEX browser_session_person ON browser_session (user_id);

CREATE TABLE somebody (
    user_id        TEXT PRIMARY KEY,
    email          TEXT NOT NULL COLLATE NOCASE,
    name           TEXT NOT NULL,
    password_hash  TEXT NOT NULL,
    updated_s      REAL NOT NULL,
    is_blocked     INTEGER NOT NULL,
    connection     TEXT NOT NULL,
    email_verified INTEGER NOT NULL,
    picture        TEXT,
    roles          TEXT NOT NULL,
    permissions    TEXT NOT NULL,
    UNIQUE (connection, email)
) WITHOUT ROWID;
INSERT INTO somebody
    SELECT user_id, email, name, password_hash, updated_s, is_blocked, 'Username-Password-Authentication', 1, NULL,
        '[]', '[]'
    FROM person;
DROP TABLE person;
ALTER TABLE somebody RENAME TO person;
