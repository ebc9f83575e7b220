"""How `lightweight` designs its quantizer on training values: range, levels and thresholds."""
