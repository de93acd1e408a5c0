"""Names of well-known ports."""

from typing import Final

#: Port → name as in IANA's registry, for TCP; where another program took a port over, its name.
PORTS: Final = {
    20: "ftp-data",
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    53: "dns",
    80: "http",
    88: "kerberos",
    110: "pop3",
    111: "rpcbind",
    123: "ntp",
    143: "imap",
    179: "bgp",
    389: "ldap",
    443: "https",
    445: "smb",
    465: "smtps",
    587: "submission",
    636: "ldaps",
    853: "dns-over-tls",
    993: "imaps",
    995: "pop3s",
    1433: "mssql",
    1521: "oracle",
    1883: "mqtt",
    2049: "nfs",
    2181: "zookeeper",
    2375: "docker",
    2376: "docker-tls",
    2379: "etcd",
    2380: "etcd-peer",
    3306: "mysql",
    3389: "rdp",
    4222: "nats",
    4317: "otlp-grpc",
    4318: "otlp-http",
    5432: "postgresql",
    5672: "amqp",
    5671: "amqps",
    6379: "redis",
    6443: "kubernetes-api",
    8080: "http-alt",
    8443: "https-alt",
    8883: "mqtts",
    9042: "cassandra",
    9090: "prometheus",
    9092: "kafka",
    9200: "elasticsearch",
    10250: "kubelet",
    11211: "memcached",
    27017: "mongodb",
}


def port_name(port: int) -> str:
    """What usually listens on a TCP port; empty if nothing in particular does."""
    return PORTS.get(port, "")
