"""Answers: how often the built-in extractive model answers ordinary questions right, on real documents and on the demo's."""
