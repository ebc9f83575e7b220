"""Samples of one stream: each frame coded as what has changed since the one before.

`stream.py` is the stage that users choose; it codes an `update.py` (blocks' motion, classes of activity, what
is left) of the frame before, as `motion.py` predicts it, with the tables of `tables.py`.
"""
