"""Tools for the demo, the tests and deployment; nothing here runs in a job."""
