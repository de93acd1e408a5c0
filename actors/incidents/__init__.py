"""One incident for each cause of trouble: opened, updated, resolved. Pure: findings and times in, changes out."""
