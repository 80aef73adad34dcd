"""Load, decide, save, answer: one thin module for each endpoint."""
