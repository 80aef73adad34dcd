"""An API that checks tokens.

A missing key is a value and not a call: `verify` gives back a `Principal` or a `KeyNeeded`. Never imports the other two
roles.
"""
