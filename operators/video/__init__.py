"""Videos: which frames are sampled, and how they are decoded without decoding the rest."""
