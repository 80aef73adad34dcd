-- What a device claims to be, what its approval was worth, and the number that its user carries back to it.
ALTER TABLE device_login ADD COLUMN device_name TEXT NOT NULL DEFAULT '';
ALTER TABLE device_login ADD COLUMN device_system TEXT NOT NULL DEFAULT '';
ALTER TABLE device_login ADD COLUMN nearness TEXT;
ALTER TABLE device_login ADD COLUMN number_hash BLOB;
ALTER TABLE device_login ADD COLUMN number_tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_login ADD COLUMN login_id BLOB;
ALTER TABLE refresh_login ADD COLUMN device_name TEXT NOT NULL DEFAULT '';
