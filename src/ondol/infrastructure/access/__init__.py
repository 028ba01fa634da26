"""Who may do what: tenants, people, groups, keys, sessions and audiences."""
