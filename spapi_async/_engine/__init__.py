"""The way of one call: quota, token, transport, retries, pages."""
