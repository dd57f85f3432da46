"""What journal and copy share: a stored version and its bytes, a page of a search, what leaves the door of a record."""
