"""What runs inside a child, and nowhere else."""
