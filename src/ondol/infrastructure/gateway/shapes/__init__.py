"""The shapes in which applications speak to the gateway, one file each: what a request asks, and how its answer is let out and written."""
