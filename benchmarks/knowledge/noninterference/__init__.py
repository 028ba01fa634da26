"""Whether what a reader may not read can be told from what the reader gets: two worlds, one with it and one that never held it."""

from benchmarks.knowledge.noninterference.machine import Tally, noninterference, walk
from benchmarks.knowledge.noninterference.stand import Stand, open_stand

__all__ = ["Stand", "Tally", "noninterference", "open_stand", "walk"]
