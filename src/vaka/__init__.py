"""Vaka: a shared electronic health record that stays up."""

__version__ = "0.1.0"
