-- A second factor that is not proven yet belongs to the login that began it. A session is a user's: nothing is stored before a login.
ALTER TABLE authenticator ADD COLUMN login_hash BLOB;
ALTER TABLE authenticator ADD COLUMN expires_s REAL;
DELETE FROM authenticator WHERE is_active = 0;
CREATE INDEX authenticator_expires ON authenticator (expires_s);
DELETE FROM mfa_login;
DELETE FROM browser_session WHERE user_id IS NULL OR auth_s IS NULL;
ALTER TABLE browser_session DROP COLUMN device_code_hash;
ALTER TABLE browser_session DROP COLUMN outcome;
