"""How much memory a web process may take, and how it gives it back."""
