"""A server that gives tokens.

Decisions are pure: record, request and `now` in, record and answer out. Never imports the other two roles.
"""
