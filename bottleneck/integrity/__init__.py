"""Files that are read only as they were written: no bit of them changes unnoticed.

Needs Python alone: devices without PyTorch read such files as well.
"""
