"""What the operations answer from: the seeded world, and text and numbers that fit it."""
