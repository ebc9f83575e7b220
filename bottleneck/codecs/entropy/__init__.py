"""Array ↔ bytes, and bytes ↔ shorter bytes: what users choose lies here, its helpers in the folders below."""
