"""Helpers that PyTorch keeps here too: data."""
