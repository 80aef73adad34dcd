-- The audit log: what commands have changed, and every event of a tenant that writes its log to the store.
CREATE TABLE audit_event (
    number  INTEGER PRIMARY KEY,
    at_s    REAL NOT NULL,
    type    TEXT NOT NULL,
    user_id TEXT NOT NULL,
    event   TEXT NOT NULL
);
