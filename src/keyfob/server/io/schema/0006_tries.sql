-- Wrong passwords and codes of users; a restart must not forget them.
CREATE TABLE tries (
    tries_key BLOB PRIMARY KEY,
    count     REAL NOT NULL,
    at_s      REAL NOT NULL,
    expires_s REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX tries_expires ON tries (expires_s);
