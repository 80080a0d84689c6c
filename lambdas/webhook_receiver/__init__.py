"""Takes a provider's webhook requests, and answers them within the second."""
