"""Tests of the pipeline; they share one Ray."""
