"""greenroom.supervision."""
