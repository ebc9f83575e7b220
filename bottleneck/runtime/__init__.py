"""Device and server over a network: which way to an answer, and when to change it.

    strategies ──┐
    link ────────┴──► plan        once, for a link that is known
    confirmations ──► estimator ──► controller ──► strategy       frame by frame, for one that changes

What decides needs NumPy alone; nothing here reads a clock, the time is passed in.
"""
