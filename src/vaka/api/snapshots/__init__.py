"""Ward snapshots over HTTP: given by a copy, opened on an ordinary PC (decision 0014)."""
