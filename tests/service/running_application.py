"""The service's application in this process, for tests that reach into it or set what an operator would set."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from service.api.application import create_application
from service.components import Components
from service.inference.device_worker import Operation
from service.settings import Settings
from tests.service.declared_answers import DeclaredAnswers
from tests.service.drawn_crops import crop_file


@dataclass(slots=True)
class RunningApplication:
    """An application whose lifespan has begun; every answer is held against its OpenAPI document."""

    application: FastAPI
    client: httpx.AsyncClient

    @property
    def components(self) -> Components:
        components: Components = self.application.state.components
        return components

    async def wait_until_ready(self) -> None:
        async with asyncio.timeout(30):
            while (await self.client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.02)

    async def put(self, detection_id: str, seed: int = 1) -> httpx.Response:
        data = {"camera_id": "c", "timestamp": "1790000000"}
        return await self.client.put(f"/v1/detections/{detection_id}", data=data, files={"image": crop_file(seed)})

    async def search(self, **fields: object) -> httpx.Response:
        files = None if "detection_id" in fields else {"image": crop_file(1)}
        return await self.client.post("/v1/search", data=fields, files=files)

    @asynccontextmanager
    async def busy_device(self) -> AsyncIterator[None]:
        """Keeps the device's thread from doing anything meanwhile."""
        begun, may_end = threading.Event(), threading.Event()

        def wait(items: list[None]) -> list[None]:
            begun.set()
            may_end.wait(30)
            return items

        job = asyncio.create_task(self.components.worker.run(Operation("wait", wait), None))
        try:
            await asyncio.to_thread(begun.wait, 30)
            yield
        finally:
            may_end.set()
            await job


@asynccontextmanager
async def run_application(settings: Settings) -> AsyncIterator[RunningApplication]:
    """Runs an application; it may not be ready yet."""
    application = create_application(settings)
    declared = DeclaredAnswers(application.openapi())

    async def check(response: httpx.Response) -> None:
        await response.aread()
        declared.check(response)

    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://127.0.0.1", event_hooks={"response": [check]}
        ) as client,
    ):
        yield RunningApplication(application, client)
