"""Storms of faults between Tagline and a real S3 server, from one seed."""
