"""An asyncio-native client for Amazon's Selling Partner API, with rate limiting built in."""
