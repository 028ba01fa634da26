"""The data plane: `/v1` on a server of its own, governed from the first byte to the last, and the frame of the admin API."""
