"""The server's half.

streams ──► engine: frames wait, at most a batch ──► worker: tails ──► answers
"""
