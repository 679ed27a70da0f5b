"""What a person can do with the product, without any window."""
