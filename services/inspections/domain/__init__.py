"""Findings and lighting checks."""
