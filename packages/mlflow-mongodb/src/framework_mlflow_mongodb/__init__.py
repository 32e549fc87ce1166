"""MLflow's tracking store, model registry and artifact repository on MongoDB."""
