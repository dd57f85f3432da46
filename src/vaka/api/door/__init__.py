"""The front door of a copy: what it answers itself, what it passes on to the journal, and what it does when that is away."""
