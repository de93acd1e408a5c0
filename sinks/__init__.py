"""Where Tailrace's rows go: a file or folder for each sink, and the bounded queue in front of it."""
