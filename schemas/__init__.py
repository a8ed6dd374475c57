"""What flows through Tagline: items, media, answers, failures, job files and tables.

The lowest layer. It does no I/O and imports only the standard library, pyarrow and
pydantic, so that everything else, a command line that must answer at once included,
can import it.
"""
