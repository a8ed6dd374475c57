"""The model families Tagline can run: one file each, one registry."""
