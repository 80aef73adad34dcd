"""shop: a command-line program whose users log in, and the API that it calls."""
