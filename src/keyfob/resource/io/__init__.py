"""The IO of an API guard: clock, HTTP requests, and calls that several callers wait for."""
