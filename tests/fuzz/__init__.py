"""Mutated media through the production decode path, in processes that may die."""
