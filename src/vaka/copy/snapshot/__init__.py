"""The ward snapshot: one unit's patients as a file that an ordinary PC opens with no network (decision 0014)."""
