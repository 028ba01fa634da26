"""What a person and an assistant have said to each other, and what of it may be said again.

A thread belongs to one person and one assistant. Its turns form a tree: an edited question is a sibling of the one that it replaces. Before a
turn is used again, every document version that it rests on is confirmed anew: what somebody may no longer read, no thread reminds them of.
"""

from ondol.application.assistant.threads.follow_up import Exchange, complete_question, exchanges_of
from ondol.application.assistant.threads.memory import NO_MEMORY, Memory, MemorySettings, memory_settings
from ondol.application.assistant.threads.recall import Screen, recall
from ondol.application.assistant.threads.remember import Said, remember
from ondol.application.assistant.threads.summary import Summing

__all__ = [
    "NO_MEMORY",
    "Exchange",
    "Memory",
    "MemorySettings",
    "Said",
    "Screen",
    "Summing",
    "complete_question",
    "exchanges_of",
    "memory_settings",
    "recall",
    "remember",
]
