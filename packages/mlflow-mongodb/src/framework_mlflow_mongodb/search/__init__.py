"""MLflow's filters and orders as aggregation pipelines."""
