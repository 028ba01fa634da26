"""One folder for each claim; each prints a table with the peers beside us."""
