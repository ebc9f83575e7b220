"""Coding each group of channels in the light of those before it."""
