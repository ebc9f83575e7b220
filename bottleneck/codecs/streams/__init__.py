"""Samples of one stream: each frame coded as what has changed since the one before.

`stream.py` is the stage that users choose: sessions, key frames, what is lost. A frame is an `update.py` of
the one before: blocks' motion (`motion.py`), classes of activity, and what is left. `tables.py` says how
likely each is, `writing.py` makes bytes of them, and `budget.py` chooses blocks where bytes are few.
"""
