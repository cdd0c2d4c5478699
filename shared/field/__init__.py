"""What the four services know of the field alike; no framework, no transport, no table."""
