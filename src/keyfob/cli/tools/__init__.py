"""Credential helpers: the protocols in which git, kubectl, aws, docker and others ask for a token.

Each module has `read` and `answer`, which are pure, and imports nothing that is slow to load (`exchange.HelperProtocol`).
"""
