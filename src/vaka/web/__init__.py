"""HTTP for people: pages, and what they are made with."""
