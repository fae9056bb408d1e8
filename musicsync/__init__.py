"""Keeps a music platform's catalogue in step with its providers."""
