"""Frames in datagrams, for links where a late packet is worth less than none.

    packets ──► packetiser ──► datagrams ┄┄ lost, doubled, out of order ┄┄► reassembly ──► packets
                                                  `transport` sends them over UDP

What arrives of a frame goes on at once when it is whole, else when it has been waited for long enough: codec
`packets` makes an array and a mask of any part. Datagrams are neither encrypted nor authenticated; between
networks that are not yours, put them into a tunnel.
"""
