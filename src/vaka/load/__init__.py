"""Loading and dumping: the ways in and out of the record for whole files."""
