"""Signing, verification and encryption: the only package that imports joserfc and cryptography.

It is pure except for the generation of keys.
"""
