-- Every login has a row, which its access tokens name; access tokens that were revoked one by one have a mark.
ALTER TABLE refresh_login ADD COLUMN repeats INTEGER NOT NULL DEFAULT 0;

CREATE TABLE revoked_token (
    mark      BLOB PRIMARY KEY,
    expires_s REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX revoked_token_expires ON revoked_token (expires_s);

CREATE INDEX device_login_person ON device_login (user_id);
CREATE INDEX authorization_code_person ON authorization_code (user_id);
CREATE INDEX mfa_login_person ON mfa_login (user_id);
