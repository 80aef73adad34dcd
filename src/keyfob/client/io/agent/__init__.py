"""`keyfob agent`: a server on a Unix socket that gives access tokens to programs.

In these programs, an `AgentVault` takes the place of the vault and requests the tokens from the agent.
"""
