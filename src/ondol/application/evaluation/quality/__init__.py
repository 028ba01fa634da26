"""The quality of what is served, figure by figure, each from what was recorded last; what was not measured has no figure, and never a nought."""
