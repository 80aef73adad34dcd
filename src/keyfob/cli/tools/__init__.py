"""Credential helpers: the protocols by which git, kubectl, aws, docker and others request a token.

The module of a protocol has no side effects (`exchange.Helper`), and imports nothing that is slow to load.
"""
