"""The IO of the authorization server: HTTP, pages, databases, clock, random bytes.

Only the public modules, `keyfob.cli` and `keyfob.testing` import from here.
"""
