"""`keyfob agent`: a Unix socket that hands out access tokens, and the `Vault` of programs that request them."""
