"""Credential helpers: the protocols by which git, kubectl, aws, docker and others request a token.

Each protocol has a module with an `exchange.Helper`. It has no side effects, and imports nothing slow.
"""
