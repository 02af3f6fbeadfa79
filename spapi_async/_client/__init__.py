"""The objects that a program works with: an application and its selling partners."""
