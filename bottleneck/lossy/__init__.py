"""Links on which something is lost, and what is put in its place.

    packets ──► protection ──► process: which are lost ──► symbols and mask ──► concealment ──► symbols

`processes.py` draws what is lost, `losses.py` says of what: elements, channels, packets. `protection.py` adds
packets, `concealment/` fills the gaps that remain. `link.py` joins them for a `Channel`.
"""
