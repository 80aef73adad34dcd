"""Stored logins: files, encryption, and the storage places of the encryption key."""
