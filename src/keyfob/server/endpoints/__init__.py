"""The endpoints: each loads records, decides, saves and answers."""
