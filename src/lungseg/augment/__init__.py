"""Random changes of training samples, sampled first and applied second."""
