"""Authentication: Login with Amazon, and the tokens that it has issued."""
