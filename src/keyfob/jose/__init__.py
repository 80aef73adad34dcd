"""Signatures and seals.

The only room that imports joserfc and cryptography. Pure: keys, times and random bytes come in as arguments.
"""
