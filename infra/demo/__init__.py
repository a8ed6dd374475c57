"""The demo: its catalogue, its S3 server and its embedded model."""
