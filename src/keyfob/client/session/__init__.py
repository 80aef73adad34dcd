"""One stored login: use, refresh, step up, log out."""
