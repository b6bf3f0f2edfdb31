"""Rooms, tracks, streams and processors as actors."""
