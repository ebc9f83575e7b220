"""Channels side by side in a picture: where each lies, and in which order."""
