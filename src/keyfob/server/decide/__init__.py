"""Decisions of the authorization server: pure functions from record, request and time to new record and response."""
