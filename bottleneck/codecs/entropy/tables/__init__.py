"""How often symbols occur: counted, and as the integers that both sides share."""

#: Symbols that can have a count of their own; any other is coded as an escape. The window bounds the
#: size of every table, whatever outlier the training data hold.
LOWEST, HIGHEST = -(2**15), 2**15 - 1

#: Bits that follow an escape: the symbol itself, as int32.
ESCAPE_BITS = 32
