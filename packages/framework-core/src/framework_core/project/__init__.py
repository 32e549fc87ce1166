"""A project of one's own: a folder with settings in which ``fw train`` works at once."""
