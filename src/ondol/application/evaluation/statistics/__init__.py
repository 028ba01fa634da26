"""Statistics of evaluation: pure functions over values and their clusters. Nothing here knows of suites, runs or stores."""
