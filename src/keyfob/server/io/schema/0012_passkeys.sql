-- Passkeys are second factors with a public key. A session remembers whether a second factor was proven in its login.
ALTER TABLE authenticator ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE authenticator ADD COLUMN credential_id BLOB;
ALTER TABLE authenticator ADD COLUMN sign_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE authenticator ADD COLUMN used_s REAL;
ALTER TABLE browser_session ADD COLUMN has_factor INTEGER NOT NULL DEFAULT 0;
