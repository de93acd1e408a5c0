"""How requests that failed were answered: by edge and answer, over some ticks, and in words."""

from collections.abc import Sequence

from actors.trouble.answers import AnswerKey, Answers
from actors.trouble.counted import Counted, decoded, encoded
from model.batch import Batch
from model.kinds.endpoint import ENDPOINT
from model.kinds.workload import OTHER, Workload
from model.requests import NO_GRPC_STATUS
from tests.unit.actors.trouble.test_explained import rows_of
from tests.unit.actors.trouble.test_shared_watch import told

TABLE = [OTHER, Workload("web", "Deployment", "shop"), Workload("api", "Deployment", "shop")]
EDGE = "shop/web > shop/api:80"


def endpoints(statuses: Sequence[int], failed: Sequence[int], **more: Sequence[object]) -> Batch:
    """Requests of web to api; of each row so many that failed."""
    columns = {
        "client.workload.index": 1,
        "server.workload.index": [2] * len(statuses),
        "server.port": 80,
        "http.response.status_code": list(statuses),
        "rpc.grpc.status_code": [NO_GRPC_STATUS] * len(statuses),
        "requests": [100] * len(statuses),
        "requests.failed": list(failed),
        **more,
    }
    return rows_of(ENDPOINT, TABLE, columns, routes=[""])


def ticked(*ticks: Batch, most: int = 1000) -> Answers:
    answers = Answers(most=most)
    for tick in ticks:
        answers.add([tick])
        answers.end_tick()
    return answers


def test_each_answer_has_its_part() -> None:
    """An answer of other rows, too; those that did not fail are none."""
    answers = ticked(endpoints([200, 503, 500, 503, 0, 1], [0, 30, 20, 30, 14, 6]))
    assert answers.words({EDGE}, 12) == "503 (60 %), 500 (20 %), none (14 %)"
    assert answers.words({"shop/api > shop/web:80"}, 12) == ""
    assert ticked(endpoints([503], [9])).words({EDGE}, 12) == "503 (100 %)"


def test_stray_answers_are_not_told() -> None:
    assert ticked(endpoints([503, 500], [995, 5])).words({EDGE}, 12) == "503 (99 %)"


def test_calls_of_grpc_say_their_own_status() -> None:
    """Also one that a server gives as it likes, such as to clients that ask too much."""
    grpc: dict[str, Sequence[object]] = {"rpc.grpc.status_code": [14, 8, 5], "rpc.system": [b"grpc"] * 3}
    answers = ticked(endpoints([200, 200, 200], [100, 0, 0], **grpc))
    assert answers.words({EDGE}, 12) == "RESOURCE_EXHAUSTED (50 %), UNAVAILABLE (50 %)"


def test_what_a_proxy_passed_on_is_counted_once() -> None:
    batch = endpoints([503, 502], [10, 90], **{"via.index": [0, 1]})
    assert ticked(batch).words({EDGE}, 12) == "503 (100 %)"


def test_only_the_last_ticks_count() -> None:
    answers = ticked(endpoints([503], [9]), endpoints([500], [9]))
    assert answers.words({EDGE}, 1) == "500 (100 %)"
    assert answers.words({EDGE}, 2) == "503 (50 %), 500 (50 %)"


def test_beyond_the_limit_the_fewest_are_left_out_and_counted() -> None:
    answers = ticked(endpoints([500, 501, 502, 503], [1, 2, 3, 4]), most=2)
    assert (answers.words({EDGE}, 1), answers.left_out) == ("503 (57 %), 502 (43 %)", 2)


def test_what_engines_counted_is_added_up() -> None:
    """Over the bus; an engine of before does not tell it."""
    whole = Answers()
    for status in (500, 503):
        answers = Answers()
        answers.add([endpoints([status], [5])])
        counted = Counted(**{**vars(told(7)), "answers": answers.end_tick()})
        (data,) = encoded(counted, 1 << 16)
        assert decoded(data).answers == [(AnswerKey(EDGE, str(status)), 5)]
        whole.add_counted(decoded(data).answers)
    whole.end_tick()
    assert whole.words({EDGE}, 1) == "500 (50 %), 503 (50 %)"
