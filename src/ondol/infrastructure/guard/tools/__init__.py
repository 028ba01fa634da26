"""What a model may do with tools."""
