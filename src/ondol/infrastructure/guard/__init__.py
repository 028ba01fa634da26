"""One policy for what goes in, what goes on, what tools are given, and what comes out."""
