"""Values of the client, with no logic beyond parsing."""
