"""``tailrace doctor``: what this machine and what Tailrace depends on offer, what is missing, and how to fix it."""
