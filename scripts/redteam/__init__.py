"""garak against the gateway, from an environment of its own: `make redteam`."""
