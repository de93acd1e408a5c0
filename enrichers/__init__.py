"""Who somebody is, and when, as Tailrace's enrichers know it."""
