"""How well answers rest on documents."""
