"""What training minimises: each loss as a function of tensors."""
