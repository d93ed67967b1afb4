"""What happens to one request, in order, in one readable place."""
