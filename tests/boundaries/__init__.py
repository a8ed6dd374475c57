"""A run that is killed before and after each of its writes, one after another."""
