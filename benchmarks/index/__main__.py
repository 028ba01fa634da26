"""The index: what the number of segments costs a search, and what the length of passages does to what is found."""

from benchmarks.index.run import main

main()
