"""Contracts that every engine, family, store and task keeps."""
