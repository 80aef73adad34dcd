"""IO that all packages share: HTTP, TLS, files and logs. Only their io/ packages and the public modules import it."""
