"""The pages of the reference: one module for each, with a function ``page`` that returns Markdown."""
