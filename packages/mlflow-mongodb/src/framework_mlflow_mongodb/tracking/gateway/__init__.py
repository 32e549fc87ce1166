"""What MLflow's gateway to language models is set up with: secrets, models, endpoints, budgets, guardrails."""
