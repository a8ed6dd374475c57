"""A job's results beside its items, in the formats that other tools read."""
