"""Decisions of the authorization server: pure functions of records, a request and the time."""
