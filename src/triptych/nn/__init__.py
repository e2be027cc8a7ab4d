"""Layers that the panels share; nothing here knows what a picture or a word is."""
