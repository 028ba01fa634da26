"""How a text is made plain: what each kind of trick is, and how it is undone with every character's place kept."""
