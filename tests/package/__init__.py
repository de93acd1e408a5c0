"""The Debian package and ``make install``."""
