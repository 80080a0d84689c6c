"""Makes the stack's SSH key inside the AWS account."""
