"""Training an estimator: batches, optimiser, checkpoints, and the choice of settings."""
