"""Network namespaces, rules, containers and traffic with a known truth, for tests of NAT and of pairing."""
