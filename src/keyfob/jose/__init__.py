"""Signatures and seals: the only room that imports joserfc and cryptography. Pure but for making new keys."""
