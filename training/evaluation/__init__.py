"""The parts of an evaluation, from what is searched to tables and plots; `training.evaluate` puts them together."""
