"""The command framework-mlflow-mongodb."""
