"""What all four services need. No word of the field outside ``shared.events``."""
