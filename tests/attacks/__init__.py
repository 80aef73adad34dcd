"""Attacks, each as a story: what strangers do, and what must hold."""
