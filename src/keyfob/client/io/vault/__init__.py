"""The vault of stored logins: its files, their encryption, and the storage places of the encryption key."""
