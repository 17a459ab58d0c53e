"""Doors to Home Assistant."""
