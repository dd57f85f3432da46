"""The sheet: one patient's first five minutes, joined from fragments by owner."""
