"""Where people ask without the console: on sites of a tenant's customers, and in rooms of a chat."""
