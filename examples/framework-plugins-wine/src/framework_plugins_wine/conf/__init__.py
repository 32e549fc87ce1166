"""Config groups: a folder is a group, a file in it an option."""
