-- A device code may be bound to its program by a challenge (RFC 7636).
ALTER TABLE device_login ADD COLUMN challenge TEXT;
