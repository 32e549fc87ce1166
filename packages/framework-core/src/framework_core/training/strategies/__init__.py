"""How training is spread over devices: one file a strategy; Lightning's own DDP is used as it is."""
