"""What is secret in a run, how it is found again wherever it turns up, and what may show it."""
