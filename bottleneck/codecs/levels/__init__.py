"""Quantisers of features: values ↔ few levels, with what a sample must tell about its range."""
