"""`keyfob agent`: a server on a Unix socket that gives access tokens to programs.

These programs use the agent through a `Vault`.
"""
