"""The rules of the model-based trial: what clients do, what befalls the service, and what it must then answer."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from service.records import CandidateFilter, DetectionFilter
from tests.service.stoppable_redis import StoppableRedis
from tests.trials.drawn_operations import filters, ids, puts, queries, writes, writes_of_different_ids
from tests.trials.expected_search import Query, check_answer, expect
from tests.trials.forked_services import ForkedService
from tests.trials.gallery_operations import (
    START_US,
    Contents,
    Delete,
    Put,
    Stored,
    answer_of,
    check_bytes,
    check_contents,
    filter_fields,
    in_listing_order,
    is_meant,
    list_all,
    send_batch,
)
from tests.trials.kept_services import MAX_NEARBY, KeptService, World

CLIENTS = 4
# Faults cost as much as a hundred other operations: they come now and then.
STEPS_BETWEEN_FAULTS = 25


class GalleryMachine(RuleBasedStateMachine):
    """The service and the dictionary, side by side. `world` is set on a subclass."""

    world: World
    kept: KeptService | None = None

    @initialize(kind=st.sampled_from(["embedded", "external"]))
    def begin(self, kind: str) -> None:
        self.kind = kind
        self.kept = self.world.take(kind)
        self.redis = self.kept.redis
        self.client = self.kept.connect()
        self.contents: Contents = {}
        self.steps_since_fault = 0

    def teardown(self) -> None:
        if self.kept is None:
            return
        self.client.close()
        if sys.exc_info()[0] is None:
            self.world.kept[self.kind] = self.kept
        else:
            self.kept.close()
        self.world.figures.say(at_most_every_seconds=20)

    @property
    def service(self) -> ForkedService:
        assert self.kept is not None
        assert self.kept.process is not None
        return self.kept.process

    def start_service(self) -> None:
        assert self.kept is not None
        self.kept.start()
        self.client = self.kept.connect()

    def count(self, operations: int = 1) -> None:
        self.world.figures.add("operations", operations)
        self.steps_since_fault += 1

    # What clients do.

    @rule(write=writes)
    def write(self, write: Put | Delete) -> None:
        self.count()
        self.check_write(write, write.send(self.client, self.world.pool))

    @rule(put=puts)
    def put(self, put: Put) -> None:
        self.count()
        self.check_write(put, put.send(self.client, self.world.pool))

    @rule(batch=writes_of_different_ids(puts))
    def put_batch(self, batch: list[Put]) -> None:
        self.count()
        results = send_batch(self.client, self.world.pool, batch).raise_for_status().json()["results"]
        assert results == [
            {"detection_id": put.detection_id, "status": put.expected_status(self.contents), "warnings": []}
            for put in batch
        ]
        for put in batch:
            put.apply(self.contents)

    @rule(together=writes_of_different_ids(writes))
    def write_at_once(self, together: list[Put | Delete]) -> None:
        self.count(len(together))
        with ThreadPoolExecutor(CLIENTS) as threads:
            answers = list(threads.map(lambda write: write.send(self.client, self.world.pool), together))
        for write, answer in zip(together, answers, strict=True):
            self.check_write(write, answer)

    @rule(chosen=filters.filter(lambda chosen: not chosen.is_empty))
    def erase(self, chosen: DetectionFilter) -> None:
        self.count()
        meant = [each for each, stored in self.contents.items() if is_meant(chosen, stored)]
        # Where nearly all were erased every few steps, there would be nothing to search.
        if len(meant) > 12:
            return
        answer = self.client.post("/v1/detections:erase", json=filter_fields(chosen)).raise_for_status()
        assert answer.json()["erased"] == len(meant)
        for detection_id in meant:
            del self.contents[detection_id]

    @rule(query=queries)
    def search(self, query: Query) -> None:
        self.count()
        answer = query.send(self.client, self.world.pool)
        if query.detection_id is not None and query.detection_id not in self.contents:
            assert answer.status_code == 404
        else:
            self.check_search(query, answer)

    @rule(query=queries)
    def search_for_a_crop(self, query: Query) -> None:
        if query.detection_id is None:
            self.search(query)

    @rule(chosen=filters, limit=st.sampled_from([1, 3, 10, 1000]))
    def list_page_by_page(self, chosen: DetectionFilter, limit: int) -> None:
        self.count()
        listed = list_all(self.client, filter_fields(chosen), limit)
        meant = [each for each in in_listing_order(self.contents) if is_meant(chosen, self.contents[each])]
        assert listed == [answer_of(each, self.contents[each], self.world.pool) for each in meant]

    @rule(detection_id=ids)
    def read(self, detection_id: str) -> None:
        self.count()
        self.check_is(detection_id, self.contents.get(detection_id))

    # What befalls the service.

    @precondition(lambda self: self.steps_since_fault >= STEPS_BETWEEN_FAULTS)
    @rule()
    def restart(self) -> None:
        self.befalls("restarts")
        self.client.close()
        assert self.service.stop() == 0, self.service.log
        self.start_service()
        self.check_everything()

    @precondition(lambda self: self.steps_since_fault >= STEPS_BETWEEN_FAULTS)
    @rule()
    def kill(self) -> None:
        self.befalls("kills")
        self.client.close()
        self.service.kill()
        self.start_service()
        self.check_everything()

    @precondition(lambda self: self.steps_since_fault >= STEPS_BETWEEN_FAULTS)
    @rule(together=writes_of_different_ids(writes), milliseconds=st.integers(0, 40))
    def kill_during(self, together: list[Put | Delete], milliseconds: int) -> None:
        self.befalls("kills")
        with ThreadPoolExecutor(CLIENTS) as threads:
            sent = [threads.submit(write.send, self.client, self.world.pool) for write in together]
            time.sleep(milliseconds / 1000)
            self.service.kill()
            errors = [each.exception() for each in sent]
        self.client.close()
        self.start_service()
        for write, answer, error in zip(together, sent, errors, strict=True):
            if error is None:
                self.check_write(write, answer.result())
            elif isinstance(error, httpx.TransportError):
                self.find_out(write)
            else:
                raise error
        self.check_everything()

    @precondition(lambda self: self.steps_since_fault >= STEPS_BETWEEN_FAULTS)
    @rule(together=writes_of_different_ids(writes), query=queries)
    def empty_redis(self, together: list[Put | Delete], query: Query) -> None:
        self.befalls("times Redis emptied")
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        self.try_without_redis(together, query)
        self.check_everything()

    @precondition(lambda self: self.redis is not None and self.steps_since_fault >= STEPS_BETWEEN_FAULTS)
    @rule(together=writes_of_different_ids(writes), query=queries)
    def kill_redis(self, together: list[Put | Delete], query: Query) -> None:
        self.befalls("times Redis killed")
        assert self.redis is not None
        self.redis.kill()
        self.try_without_redis(together[1:], query, restart=self.redis)
        self.check_everything()

    def befalls(self, name: str) -> None:
        self.count()
        self.world.figures.add(name)
        self.steps_since_fault = 0

    @property
    def redis_url(self) -> str:
        if self.redis is not None:
            return self.redis.url
        assert self.kept is not None
        (socket,) = (self.kept.directory / "data" / "redis").glob("*.sock")
        return f"unix://{socket}"

    def try_without_redis(
        self, together: Sequence[Put | Delete], query: Query, restart: StoppableRedis | None = None
    ) -> None:
        """While Redis lacks what it had, an answer is right or it is 503."""
        uncertain = []
        for write in together:
            answer = write.send(self.client, self.world.pool)
            if answer.status_code == 503:
                uncertain.append(write)
            else:
                self.check_write(write, answer)
        answer = query.send(self.client, self.world.pool)
        if answer.status_code != 503 and query.detection_id in {None, *self.contents} and not uncertain:
            self.check_search(query, answer)
        if restart is not None:
            restart.start()
        self.service.wait_until_ready()
        for write in uncertain:
            self.find_out(write)

    # Whether it is as the dictionary says.

    def check_write(self, write: Put | Delete, answer: httpx.Response) -> None:
        assert answer.status_code == write.expected_status(self.contents), answer.text
        if isinstance(write, Put):
            said = answer.json()
            del said["created_at"]
            assert said.pop("warnings") == []
            assert said == answer_of(write.detection_id, write.stored, self.world.pool)
        write.apply(self.contents)

    def find_out(self, write: Put | Delete) -> None:
        """A write without an answer was done or was not done; nothing in between."""
        answer = self.client.get(f"/v1/detections/{write.detection_id}")
        assert answer.status_code in (200, 404), answer.text
        possible = dict(self.contents)
        write.apply(possible)
        before, after = self.contents.get(write.detection_id), possible.get(write.detection_id)
        found = answer.json() if answer.status_code == 200 else None
        if found is not None:
            del found["created_at"]
        is_done = after and found == answer_of(write.detection_id, after, self.world.pool)
        if is_done and before and found == answer_of(write.detection_id, before, self.world.pool):
            # The same but for the picture: the disk says which it is.
            crop = self.client.get(f"/v1/detections/{write.detection_id}/image").content
            is_done = after is not None and crop == self.world.pool.files[after.crop]
        if is_done or (after is None and found is None):
            write.apply(self.contents)
            self.world.figures.add("unanswered writes found done")
        else:
            self.world.figures.add("unanswered writes found not done")
        self.check_is(write.detection_id, self.contents.get(write.detection_id))

    def check_is(self, detection_id: str, stored: Stored | None) -> None:
        answer = self.client.get(f"/v1/detections/{detection_id}")
        if stored is None:
            assert answer.status_code == 404, answer.text
            assert self.client.get(f"/v1/detections/{detection_id}/image").status_code == 404
            assert self.client.get(f"/v1/detections/{detection_id}/feature_map").status_code == 404
        else:
            found = answer.raise_for_status().json()
            del found["created_at"]
            assert found == answer_of(detection_id, stored, self.world.pool)
            check_bytes(self.client, self.world.pool, detection_id, stored)

    def check_search(self, query: Query, answer: httpx.Response) -> None:
        expected = expect(query, self.contents, self.world.pool, MAX_NEARBY)
        check_answer(query, answer.raise_for_status().json(), self.contents, expected)

    def check_everything(self) -> None:
        check_contents(self.client, self.world.pool, self.contents)
        query = Query(0, None, None, None, "off", 60, 60, 10, 0.1, False, CandidateFilter(), "detection", 1000, None)
        self.check_search(query, query.send(self.client, self.world.pool))
        lifted = Query(
            1, None, "c0", START_US, "auto", 100, 100, 10, 0.1, True, CandidateFilter(), "detection", 1000, None
        )
        self.check_search(lifted, lifted.send(self.client, self.world.pool))
