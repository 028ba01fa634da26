"""Answers that go on when their caller is cut off: each event has an id, any worker reads on from one, and another worker answers for a lost one."""

from ondol.infrastructure.gateway.streams.place import BEGINNING, Place
from ondol.infrastructure.gateway.streams.streams import Streams, Times

__all__ = ["BEGINNING", "Place", "Streams", "Times"]
