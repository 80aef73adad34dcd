"""State files beside the vault: server capabilities, known origins, pending logins, and the login lock."""
