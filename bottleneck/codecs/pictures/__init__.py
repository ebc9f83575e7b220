"""Image formats for pixels, and the tiles by which a feature becomes a picture."""
