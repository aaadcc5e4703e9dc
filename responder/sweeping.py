"""Every step, once a minute: the sweep, as Cloud Scheduler calls it over HTTP. Touches what the pipeline touches."""

from __future__ import annotations

from responder import intake, log

Reply = tuple[str, int]


def answer(headers: log.Headers | None = None) -> Reply:
    """Sweep once: 204, or 500 where it did not come to its end, with nothing of why; the log has type and place.

    `headers` are those of the request; they name the trace that the log's lines belong to.
    """
    with log.request(headers):
        try:
            _sweep()
        except BaseException as error:  # noqa: BLE001 - as in intake: the server goes on, and no text gets out
            intake.log_failure(error, "sweep not finished")
            return "", 500
        return "", 204


def _sweep() -> None:
    from responder import pipeline, wiring  # noqa: PLC0415 - inside the guard: what fails here is answered too
    from responder.tally import counts  # noqa: PLC0415 - the same

    world = wiring.world()
    swept = pipeline.sweep(world)
    counts.save(wiring.store(), now=True)
    log.write("INFO", "swept", **swept._asdict())
