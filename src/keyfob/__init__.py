"""OAuth 2.0 and OpenID Connect for command-line programs.

`keyfob.login` obtains access tokens, `keyfob.serve` runs an authorization server, and `keyfob.guard` validates tokens.
"""
