"""`keyfob agent`: a server on a Unix socket that gives access tokens to programs, and the `Vault` of these programs."""
