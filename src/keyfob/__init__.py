"""The safest login that a terminal allows: get tokens, give tokens, check tokens.

Import one of the doors: `keyfob.login`, `keyfob.serve` or `keyfob.guard`. Nothing is re-exported here, so that a
program loads only the door that it opens.
"""
