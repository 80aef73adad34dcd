"""Tokens for other HTTP libraries, and how connections are made."""
