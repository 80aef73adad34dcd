"""The IO that all packages share: HTTP, TLS, files and logs. Only io/ packages and public modules import it."""
