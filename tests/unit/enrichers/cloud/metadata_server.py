"""A metadata service on the loopback that answers as the documentation of each cloud shows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

TOKEN: Final = "a-token-of-a-session"

#: Cloud → method and path → the header it wants, and what it answers.
CLOUDS: Final[dict[str, dict[str, tuple[tuple[str, str], Any]]]] = {
    "aws": {
        "PUT /latest/api/token": (("X-aws-ec2-metadata-token-ttl-seconds", "60"), TOKEN),
        "GET /latest/dynamic/instance-identity/document": (
            ("X-aws-ec2-metadata-token", TOKEN),
            {
                "devpayProductCodes": None,
                "availabilityZone": "us-west-2b",
                "privateIp": "10.158.112.84",
                "version": "2017-09-30",
                "instanceId": "i-1234567890abcdef0",
                "billingProducts": None,
                "instanceType": "t2.micro",
                "accountId": "123456789012",
                "imageId": "ami-5fb8c835",
                "pendingTime": "2016-11-19T16:32:11Z",
                "architecture": "x86_64",
                "kernelId": None,
                "ramdiskId": None,
                "region": "us-west-2",
            },
        ),
    },
    "gcp": {
        "GET /computeMetadata/v1/instance/?recursive=true": (
            ("Metadata-Flavor", "Google"),
            {
                "id": 4520031799277581759,
                "name": "example-instance",
                "hostname": "example-instance.c.my-project.internal",
                "machineType": "projects/1234567890/machineTypes/e2-medium",
                "zone": "projects/1234567890/zones/europe-west1-b",
                "tags": ["http-server"],
            },
        )
    },
    "azure": {
        "GET /metadata/instance/compute?api-version=2021-02-01&format=json": (
            ("Metadata", "true"),
            {
                "azEnvironment": "AzurePublicCloud",
                "location": "westus2",
                "name": "examplevmname",
                "subscriptionId": "8d10da13-8125-4ba9-a717-bf7490507b3d",
                "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
                "vmSize": "Standard_A3",
                "zone": "2",
            },
        )
    },
}


@dataclass
class Service:
    """What it answers, and what it was asked."""

    url: str
    answers: dict[str, tuple[tuple[str, str], Any]]
    asked: list[str] = field(default_factory=list)


@contextmanager
def metadata_service(*clouds: str) -> Iterator[Service]:
    """One that speaks for these clouds; it knows no other path, and refuses who lacks the header."""
    service = Service("", {path: said for cloud in clouds for path, said in CLOUDS[cloud].items()})

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            wish = f"{self.command} {self.path}"
            service.asked.append(wish)
            (header, value), said = service.answers.get(wish, (("", ""), None))
            good = said is not None and self.headers.get(header) == value
            body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(200 if good else 401 if said is not None else 404)
            self.send_header("Content-Length", str(len(body) if good else 0))
            self.end_headers()
            self.wfile.write(body if good else b"")

        do_GET = do_PUT = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
