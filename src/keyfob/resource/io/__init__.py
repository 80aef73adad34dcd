"""The IO of an API guard: the clock, and HTTP requests whose result concurrent callers share."""
