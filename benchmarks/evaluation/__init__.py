"""How fast evaluation runs, how right its figures are, and how often its gate errs."""
