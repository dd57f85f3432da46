"""The words of the command line, one module each; each has a click command named ``command``."""
