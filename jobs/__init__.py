"""The ready-made jobs and the command line."""
