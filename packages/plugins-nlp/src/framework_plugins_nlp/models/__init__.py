"""Networks for text, from scratch."""
