"""What a program holds: an application and its selling partners."""
