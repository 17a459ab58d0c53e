"""Encoders that do not ship: where their makers publish them, how they come here, and where they lie."""
