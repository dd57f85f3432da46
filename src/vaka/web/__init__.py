"""HTTP for people: pages of the login so far."""
