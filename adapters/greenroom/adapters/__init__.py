"""greenroom.adapters."""
