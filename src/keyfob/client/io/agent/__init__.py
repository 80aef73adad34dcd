"""`keyfob agent`: a Unix socket that hands out access tokens, and the vault of the programs that request them."""
