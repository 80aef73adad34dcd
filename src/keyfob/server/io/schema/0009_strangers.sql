-- What strangers make a tenant count is limited in number, and all nodes share it.
ALTER TABLE tries ADD COLUMN of_stranger INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tries_of_strangers ON tries (expires_s) WHERE of_stranger = 1;
