"""The ground: how soon the platform stands, what it weighs at rest, and how well and fast it finds."""
