"""Bots: an assistant in the rooms of a chat."""
