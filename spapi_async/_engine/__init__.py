"""The path of a call: quota, token, transport, retries, pages."""
