"""What lists have in common: what may be asked of them, how texts are found, and how a list becomes a file."""
