"""Programs that run in the booted systemd, as root: they note facts, and the tests outside compare them."""
