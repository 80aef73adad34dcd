"""Files that remember what is not secret, and locks between logins."""
