"""What a model of the demo's world is taught: Tagline's own questions, and true answers.

A teacher holds the real conversation of a task about a drawn scene, series or film. It
knows the truth from the seed, and its answers are held to the same forms as a model's.
"""
