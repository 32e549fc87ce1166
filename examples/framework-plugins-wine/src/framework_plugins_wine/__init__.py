"""Wine by its chemistry, and a gated network for tables: an example of a plugin for framework-core."""

__version__ = "0.1.0"
