-- A signing key is announced before it signs, and stays published as long as the longest token that it may have signed.
-- A token of thirty days is the longest that Auth0 allows; nothing is known of the keys that were there before.
ALTER TABLE signing_key ADD COLUMN signs_s REAL NOT NULL DEFAULT 0;
UPDATE signing_key SET signs_s = created_s;
ALTER TABLE signing_key ADD COLUMN longest_token_s REAL NOT NULL DEFAULT 2592000;

-- The tenant's own random keys, encrypted under a master key. While that changes, there are two rows.
CREATE TABLE key_slot (
    master_id TEXT PRIMARY KEY,
    sealed    BLOB NOT NULL,
    created_s REAL NOT NULL,
    expires_s REAL
) WITHOUT ROWID;

-- For the list of logins.
ALTER TABLE refresh_login ADD COLUMN used_s REAL;
ALTER TABLE refresh_login ADD COLUMN network TEXT;
ALTER TABLE browser_session ADD COLUMN network TEXT;
