"""What travels on the wire, for both sides.

Pure, and the standard library only: no clock, no chance, no network, no environment. The class that one side writes
with is the class that the other side reads with; to read is to check.
"""
