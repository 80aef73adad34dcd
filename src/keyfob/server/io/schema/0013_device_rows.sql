-- A new device login writes to as few pages as possible: its row comes after all others, and not at the place of its
-- random hash, and it is in no index of users before a user approves it. PostgreSQL has always added rows in this way.
DROP INDEX device_login_person;
/* SQLite only */ CREATE TABLE device_login_in_order (
    device_code_hash BLOB NOT NULL PRIMARY KEY,
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
    auth_s           REAL,
    sid              TEXT,
    challenge        TEXT,
    device_name      TEXT NOT NULL DEFAULT '',
    device_system    TEXT NOT NULL DEFAULT '',
    nearness         TEXT,
    number_hash      BLOB,
    number_tries     INTEGER NOT NULL DEFAULT 0,
    login_id         BLOB
);
/* SQLite only */ INSERT INTO device_login_in_order SELECT * FROM device_login ORDER BY created_s;
/* SQLite only */ DROP TABLE device_login;
/* SQLite only */ ALTER TABLE device_login_in_order RENAME TO device_login;
/* SQLite only */ CREATE INDEX device_login_expires ON device_login (expires_s);
CREATE INDEX device_login_person ON device_login (user_id) WHERE user_id IS NOT NULL;
