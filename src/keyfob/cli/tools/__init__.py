"""Credential helpers: the protocols in which git, kubectl, aws, docker and others ask for a token.

A module of a protocol is pure (`exchange.Helper`), and imports nothing that is slow to load.
"""
