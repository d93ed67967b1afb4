"""What is deployed and how: Terraform, the archives, and their checks."""
