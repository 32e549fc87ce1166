"""Messages to a webhook: what a run, the registry or a look for drift has to tell. Nothing here imports torch."""
