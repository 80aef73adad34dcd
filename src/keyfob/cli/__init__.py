"""The commands of `keyfob`. Results go to stdout, everything else to stderr."""
