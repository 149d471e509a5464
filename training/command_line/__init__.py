"""The commands of `qaconv-training`, one in each file."""
