"""greenroom.config."""
