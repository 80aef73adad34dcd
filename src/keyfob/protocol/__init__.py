"""What travels on the wire, for both sides. Role-blind and pure: no clock, chance, network or environment.

The class that a client writes with is the class that a server reads with. To parse is to check: `read` raises
`Malformed` and nothing else.
"""
