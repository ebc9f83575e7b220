"""Bits and bytes below the entropy coders: fields, groups, run lengths, prefix codes, arithmetic codes."""
