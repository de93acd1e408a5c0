"""Requests with made-up paths of routes that are known, as the kernel tells of them; the same every time."""

import random
import re
import string
import uuid
from collections.abc import Callable

_WORDS = (
    "apple anchor basil birch cedar clover coral cotton daisy delta ember fable fern flint garnet ginger hazel "
    "heron indigo iris ivory jasper juniper kestrel lemon lilac linen lotus mango marble mint moss nutmeg olive "
    "onyx opal pepper pine quartz raven "
)
_ROUTES = (
    "/ /healthz /metrics /login /logout /api/v1/users /api/v1/users/{number} /api/v2/users/{number} "
    "/api/v1/users/me /api/v1/users/{number}/orders /api/v1/users/{number}/orders/{number} /api/v2/orders/{uuid} "
    "/api/v2/orders/recent /api/v2/orders/{uuid}/items/{number} /oauth2/token /oauth2/authorize /products/{slug} "
    "/products/{slug}/reviews /products/top10 /products/new /u/{user} /u/{user}/followers /blog/{date}/{slug} "
    "/docs/{hex} /sessions/{token} /repos/{user}/{word}/commits/{sha} /repos/{user}/{word}/pulls "
    "/repos/{user}/{word}/pulls/{number} /tags/{word} /static/{asset} /static/img/logo.png "
    "/static/img/favicon-32x32.png /invite/{mail} /catalog/sku/{sku} /cart/items "
    "/api/v1/namespaces/{ns}/pods/{pod} /api/v1/namespaces/{ns}/pods /api/v1/namespaces/{ns}/services /search "
    "/cart /{index}/_search /{index}/_bulk /weather/{place} /weather/city/{city} /objects/{word}/{hex}/{slug}.jpg "
    "/checkout /checkout/step1 /checkout/step2 /checkout/step3 /api/v1/billing/invoices/{number}.pdf /graphql /ws "
    "/events/{ulid} /media/mp4/{number} /ipv4/{number} /sha256/{sha} /i18n/{language}.json /v1/models "
    "/v1/models/{word}/versions/{number} "
)


def made_paths(count: int) -> list[tuple[str, str]]:
    """So many requests: the route of each, and its path as the kernel folds it."""
    chance = random.Random(5)
    made, routes = _values(chance), _ROUTES.split()
    weights = [1 / (1 + place % 17) for place in range(len(routes))]
    return [
        (route, _folded(re.sub(r"\{(\w+)\}", lambda part: made[part[1]](), route)))
        for route in chance.choices(routes, weights, k=count)
    ]


def _values(chance: random.Random) -> dict[str, Callable[[], str]]:
    """What stands in the place of each parameter."""
    words = _WORDS.split()
    slugs = ["-".join(chance.sample(words, chance.randrange(2, 5))) for _ in range(4000)]
    users = [chance.choice(words) + chance.choice(words) for _ in range(1500)]
    users += [f"{chance.choice(words)}{chance.randrange(99)}" for _ in range(500)]
    letters = string.ascii_letters + string.digits + "_-"
    return {
        "number": lambda: str(int(10 ** chance.uniform(0, 9))),
        "uuid": lambda: str(uuid.UUID(int=chance.getrandbits(128))),
        "sha": lambda: f"{chance.getrandbits(160):040x}",
        "hex": lambda: f"{chance.getrandbits(32):08x}",
        "token": lambda: "".join(chance.choices(letters, k=28)),
        "ulid": lambda: "".join(chance.choices(string.ascii_uppercase + string.digits, k=26)),
        "slug": lambda: chance.choice(slugs),
        "user": lambda: chance.choice(users),
        "word": lambda: chance.choice(words),
        "city": lambda: f"{chance.choice(words)}ville",
        "ns": lambda: chance.choice(["default", "kube-system", "shop", "payments"]),
        "pod": lambda: f"{chance.choice(words)}-{chance.getrandbits(36):09x}",
        "date": lambda: f"20{chance.randrange(20, 27)}-{chance.randrange(1, 13):02}",
        "mail": lambda: f"{chance.choice(users)}%40example.com",
        "sku": lambda: f"{chance.choice('ABC')}X-{chance.randrange(10_000):04}",
        "asset": lambda: f"app.{chance.getrandbits(32):08x}.js",
        "index": lambda: f"logs-2026.{chance.randrange(1, 13):02}",
        "place": lambda: f"{chance.uniform(-90, 90):.4f},{chance.uniform(-90, 90):.4f}",
        "language": lambda: chance.choice(["en-US", "de-DE", "fr-FR"]),
    }


def _folded(path: str) -> str:
    """As ``bpf/http/path.h`` folds it."""
    return "/".join("*" if _is_one_of_many(segment) else segment for segment in path.split("/"))


def _is_one_of_many(segment: str) -> bool:
    named = len(segment) <= 8 and re.fullmatch(r"[A-Za-z]+\d{0,3}", segment)
    return bool(
        len(segment) > 24 or re.search(r"[%;<=>@]", segment) or (re.search(r"\d", segment) and not named)
    )
