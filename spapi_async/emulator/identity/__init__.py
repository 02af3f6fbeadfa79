"""Who may ask: Login with Amazon, and every token issued."""
