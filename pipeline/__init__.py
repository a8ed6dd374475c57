"""The only layer that builds Ray Data graphs and commits tables."""
