"""The authorization server. It does not import the packages of the other two roles, `client` and `resource`."""
