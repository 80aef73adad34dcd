"""The clock, the network and the waiting of an API guard."""
