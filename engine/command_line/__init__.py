"""The manual page and the completion of shells, made from the parser."""
