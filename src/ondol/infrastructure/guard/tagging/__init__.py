"""A small linear-chain tagger for names, addresses, organisations and their kin, in Korean and English, in numpy alone."""

from ondol.infrastructure.guard.tagging.model import Entity, Tagger, load_tagger

__all__ = ["Entity", "Tagger", "load_tagger"]
