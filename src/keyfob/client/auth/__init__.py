"""Client authentication: secrets, assertions, DPoP, certificates, workload identity."""
