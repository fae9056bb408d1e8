"""Keeps a music platform's catalogue in step with its providers."""

__version__ = "0.1.0"
