"""Credential helpers: the protocols by which git, kubectl, aws, docker and other tools request a token.

Each protocol has a module with an `exchange.Helper`. These modules have no side effects and import quickly.
"""
