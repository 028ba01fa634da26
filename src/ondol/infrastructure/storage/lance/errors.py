"""What can go wrong with an index segment.

OndolError
└── SegmentError
    ├── SegmentGone         its folder was dropped: read the list of live segments again and retry
    └── SegmentUnreadable   it is there and is not a segment of this format
"""

from __future__ import annotations

from ondol.core.errors import OndolError


class SegmentError(OndolError):
    """Base of the errors of index segments."""


class SegmentGone(SegmentError):
    """The files of the segment vanished, because a merge or an erasure replaced it.

    The caller reads the list of live segments again and repeats its search once.
    """


class SegmentUnreadable(SegmentError):
    """The store failed, or the folder does not hold a segment of this format; the index can be rebuilt from the documents."""
