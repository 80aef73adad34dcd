"""The messages of OAuth 2.0 and OpenID Connect, for both sides. No clock, randomness, network or environment.

Client and server use the same class for a message. `write` returns the parameters or JSON members of the message and
omits empty ones. `read` validates the parameters or members, ignores unknown ones, and raises only `Malformed`.
"""
