"""The JSON of assets, at the HTTP edge only."""
