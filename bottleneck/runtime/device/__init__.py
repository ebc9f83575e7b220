"""The device's half.

source ──► Client ──► half (torch, or ONNX graphs) ──► gate ┄┄► server ┄┄► answers
              └── the link is dead: the half finishes alone
"""
