"""What one can do with sensors, readings, alerts and rules. One transaction each; the session is the caller's."""
