"""Values of the client; no logic beyond parsing."""
