"""The probe of QUIC: names of servers in clients' first packets."""
