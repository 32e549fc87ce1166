"""Another MLflow store copied into MongoDB, with every id kept."""
