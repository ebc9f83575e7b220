"""The server's half as an application of Ray Serve: replicas on one machine or on many, one HTTP address.

    POST payload ──► Ray's proxy ─┬─► replica: batch ──► Stateless ──► JSON
                                  └─► replica ...

Replicas share nothing, so what one is given any other could answer. Only bytes come in from outside.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from bottleneck.runtime.answers import require_top
from bottleneck.runtime.messages import Reason
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.stateless import Stateless
from bottleneck.runtime.serving.worker import Outcome

try:
    import ray
    from ray import serve
    from starlette.requests import Request
    from starlette.responses import JSONResponse
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'engine=ray needs Ray Serve: pip install "split-bottleneck[runtime,ray]"'
    ) from error

_NAME = "bottleneck"
#: What Ray reads where it is started here, unless the environment has it already.
_ALONE = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # by default replicas run behind everything else on the machine
    # Who reaches Ray's own ports can have code run; Ray asks for this, and would write one into the home.
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
_WRONG = (Reason.PAYLOAD, Reason.UNKNOWN_POINT)  # what whoever sent the payload has to mend


@dataclass(frozen=True)
class Options:
    """How an application runs.

    Attributes:
        replicas: Copies of the server's half; where `most` is more, that many at least.
        most: Copies while requests wait; `None`: always `replicas`, and the next three mean nothing.
        ongoing: Requests of a replica that copies are started and ended for; `None`: `max_batch`.
        up_after: Seconds of more requests than that, after which a copy is started.
        down_after: Seconds of fewer, after which one is ended.
        cpus: Cores that Ray reserves for a replica.
        gpus: GPUs of a replica; a share where several use one.
        max_batch: Most payloads of a batch.
        max_wait: Seconds that the first payload of a batch waits for company.
        longest: Most bytes of a payload.
        most_waiting: Requests that may wait; further ones are answered 503.
        top: Most classes of an answer.
        token: What has to stand in a request's header, `Authorization: Bearer TOKEN`.

    Raises:
        ValueError: If there would be no replica, or `most` is fewer than `replicas`, or what they hang on
            is no number of requests or seconds, or `top` names no class.
    """

    replicas: int = 1
    most: int | None = None
    ongoing: float | None = None
    up_after: float = 30.0
    down_after: float = 600.0
    cpus: float = 1.0
    gpus: float = 0.0
    max_batch: int = 8
    max_wait: float = 0.0
    longest: int = 1 << 24
    most_waiting: int = 256
    top: int = 5
    token: str | None = None

    def __post_init__(self) -> None:
        require_top(self.top)
        if self.replicas < 1 or (self.most is not None and self.most < self.replicas):
            raise ValueError(
                f"ray.replicas={self.replicas} and ray.most={self.most} make no number of replicas. Use at "
                "least 1, and no fewer for ray.most, or null."
            )
        if self.ongoing is not None and not self.ongoing > 0:
            raise ValueError(f"ray.ongoing={self.ongoing} is no number of requests. Use above 0, or null.")
        if not (self.up_after >= 0 and self.down_after >= 0):
            raise ValueError(
                f"ray.up_after={self.up_after} and ray.down_after={self.down_after} are no times. Use "
                "seconds, 0 or more."
            )


class Replica:
    """One copy of the server's half.

    Args:
        folder: Frontier or bundle.
        network: Makes the frozen network, where the replica runs.
        options: See `Options`.
    """

    def __init__(self, folder: Path, network: Callable[[], nn.Module], options: Options):
        stateless = Stateless(folder, network(), options.top)

        async def answered(payloads: list[bytes]) -> list[Outcome]:
            # In a thread, so that the next batch gathers meanwhile; there is one batch at a time.
            return await asyncio.to_thread(stateless, payloads)

        batched = serve.batch(max_batch_size=options.max_batch, batch_wait_timeout_s=options.max_wait)
        self._answered = batched(answered)
        self._longest, self._security = options.longest, Security(token=options.token)

    async def __call__(self, request: Request) -> JSONResponse:
        """The answer to a payload: 200 and what `answers.answer_of` gives, else `{"error": text}`.

        400: it is no payload of this frontier. 401: the token is missing. 413: it is too long. 500: the
        replica failed.
        """
        if not self._security.admits(request.headers.items()):
            return _refused(401, "the token is wrong or missing; send it as Authorization: Bearer TOKEN")
        payload = bytearray()
        async for part in request.stream():
            payload += part
            if len(payload) > self._longest:
                return _refused(413, f"the payload has more bytes than limits.message={self._longest}")
        outcome: Outcome = await self._answered(bytes(payload))
        if outcome.refusal is not None:
            reason, text = outcome.refusal
            return _refused(400 if reason in _WRONG else 500, text)
        return JSONResponse(outcome.answer)


def application(folder: Path, network: Callable[[], nn.Module], options: Options) -> serve.Application:
    """The application, for `serve.run`.

    Args:
        folder: Frontier or bundle, at the same path on every machine.
        network: Makes the frozen network; called in each replica, so it has to be importable there.
        options: See `Options`.
    """
    number: dict[str, Any] = {"num_replicas": options.replicas}
    if options.most is not None:
        scaling = {
            "min_replicas": options.replicas,
            "max_replicas": options.most,
            "target_ongoing_requests": options.ongoing or options.max_batch,
            "upscale_delay_s": options.up_after,
            "downscale_delay_s": options.down_after,
        }
        number = {"autoscaling_config": scaling}
    deployment = serve.deployment(
        Replica,
        name="replica",
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
        max_ongoing_requests=2 * options.max_batch,  # the batch in progress, and the next one
        max_queued_requests=options.most_waiting,
        **number,
    )
    return deployment.bind(folder, network, options)


@contextlib.contextmanager
def running(
    folder: Path,
    network: Callable[[], nn.Module],
    options: Options,
    host: str = "127.0.0.1",
    port: int = 0,
    cluster: str | None = None,
) -> Iterator[int]:
    """Run an application for as long as the context lasts.

    Args:
        folder: See `application`.
        network: See `application`.
        options: See `Options`.
        host: Address to listen on.
        port: 0 takes a free one.
        cluster: Address of a Ray cluster that runs already; `None`: one on this machine, which ends with the
            context. A cluster on which something is served already keeps the address that it has.

    Yields:
        The port.

    Raises:
        ValueError: If the port is taken, the replicas want more than this machine has, or the cluster runs
            such an application already.
    """
    app, port = application(folder, network, options), _free(host, port)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if cluster is None:
        for name, value in _ALONE.items():
            os.environ.setdefault(name, value)
        ray.init("local", include_dashboard=False, **quiet)
    else:
        ray.init(cluster, **quiet)
    try:
        if cluster is None:
            _require_room(options)
        logs = {"log_level": "WARNING", "enable_access_log": False}
        serve.start(http_options={"host": host, "port": port}, logging_config=logs)
        if _NAME in serve.status().applications:
            raise ValueError(
                f"ray.cluster={cluster} runs {_NAME!r} already. End that command first, or, if it is gone, "
                "`serve shutdown`."
            )
        try:
            serve.run(app, name=_NAME, route_prefix="/", logging_config=logs)
            yield port
        finally:
            serve.delete(_NAME)
            if cluster is None:
                serve.shutdown()
    finally:
        ray.shutdown()


def _free(host: str, port: int) -> int:
    """The port, or a free one for 0; Ray would only retry where somebody else listens."""
    try:
        with socket.create_server((host, port)) as probe:
            found: int = probe.getsockname()[1]
    except OSError as error:
        raise ValueError(f"{host}:{port} cannot be listened on ({error}). Choose another port=.") from error
    return found


def _require_room(options: Options) -> None:
    """Refuse what this machine will never have, as Ray would wait for it."""
    most = options.most or options.replicas
    for kind, each in (("CPU", options.cpus), ("GPU", options.gpus)):
        there = ray.cluster_resources().get(kind, 0)
        if most * each > there:
            key = f"ray.{kind.lower()}s"
            raise ValueError(
                f"{most} replicas of {key}={each:g} need {most * each:g} in all, and this machine has "
                f"{there:g}. Use fewer replicas, or a share such as {key}=0.5."
            )


def _refused(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)
