"""Rules of the user's own: shares of what rows count, held against a limit or a budget. Pure: columns in."""
