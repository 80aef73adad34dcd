"""Stored logins: files, encryption, and where the encryption key is kept."""
