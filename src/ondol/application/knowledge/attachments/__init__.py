"""Files that somebody brings to a conversation: read and cut as documents are, by the same parsers under the same limits, and in no base.

An attachment belongs to one person and, once it was asked about, to one of their threads. Nobody else finds it but those with whom that thread is
shared, and no index holds it: its terms lie sealed beside its text, and a question looks through all of them.
"""
