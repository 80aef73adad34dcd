"""The commands of `keyfob`. They print results to stdout, and everything else to stderr."""
