"""The routes of assets, a class for each subject; ``Assets`` puts them together."""
