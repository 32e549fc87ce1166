"""The command ``fw``. A command parses, calls one function of the library, and prints."""
