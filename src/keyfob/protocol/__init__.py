"""The messages of OAuth 2.0 and OpenID Connect. This package uses no clock, randomness, network or environment.

Client and server use the same class for a message. `write` returns the parameters or JSON members of the message, and
omits empty ones. `read` validates received parameters or members, ignores unknown ones, and raises only `Malformed`.
"""
