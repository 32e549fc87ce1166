"""The base classes of models and datamodules. Importing them imports torch and Lightning."""
