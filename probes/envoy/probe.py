"""The probe of Envoy: which request upstream answered which request downstream, of those that the HTTP probe sees.

Its programs are attached to the files of Envoys that run, at functions that are found in them
(probes/envoy/functions.py).
"""

from typing import Final

from model.probe import Feature, Probe, Switch
from probes.envoy.functions import FUNCTIONS, HTTP2_FUNCTIONS, RETURNS
from probes.http.probe import in_process

_PROGRAMS = (
    *(program for program, _ in (*FUNCTIONS.values(), *HTTP2_FUNCTIONS.values())),
    *RETURNS.values(),
)

LINKS: Final = Feature(
    "Envoy",
    "which request of an Envoy answers which request to it",
    (in_process(*_PROGRAMS),),
    required=False,
    loss="requests through an Envoy are two: to it, and from it",
)

ENVOY: Final = Probe(
    "envoy",
    sources=("envoy/streams.h", "envoy/hooks.c", "envoy/codec.c"),
    features=(LINKS,),
    sizes=(("PROXY_SOCKETS", "envoy.connections"),),
    switch=Switch("envoy.enabled"),
    within="http",
    purpose="Requests that an Envoy passes on",
)
