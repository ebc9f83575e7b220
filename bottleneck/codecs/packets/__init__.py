"""Packets that decode alone: `segments` cuts a sample, `framing` writes a packet, `stage` does both."""
