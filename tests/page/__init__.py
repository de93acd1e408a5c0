"""The page: its modules in node, the page itself in a real browser against answers that are known."""
