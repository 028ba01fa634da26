"""How well and how fast the guard finds what it should, and what it finds that it should not."""
