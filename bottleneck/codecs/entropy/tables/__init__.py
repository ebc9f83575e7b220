"""How often symbols occur: counted, and as the integers that both sides share."""
