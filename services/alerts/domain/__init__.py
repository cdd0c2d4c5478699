"""Sensors, and the alerts that their readings raise."""
