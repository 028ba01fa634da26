"""Evaluation: what is asked of models, prompts, retrieval, assistants and guards, how the answers are scored, and whether a change may pass."""
