"""The wire of the lab's gRPC services: real messages both ways, without generated stubs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio
from google.cloud import container_v1, logging_v2, securitycenter_v2

from lab.answers import GARBAGE, ApiError, Dripping, Dropped, Lied
from lab.google_apis import Services
from lab.state import HANG_SECONDS

_SCC_REQUEST: Final = securitycenter_v2.ListFindingsRequest.pb()
_MARKS_REQUEST: Final = securitycenter_v2.UpdateSecurityMarksRequest.pb()
_SYSTEM_REQUEST: Final = securitycenter_v2.UpdateExternalSystemRequest.pb()
_GKE_REQUEST: Final = container_v1.GetClusterRequest.pb()
_LOGGING_REQUEST: Final = logging_v2.types.ListLogEntriesRequest.pb()


async def start(services: Services) -> tuple[grpc.aio.Server, int]:
    """Serve on a free loopback port. No limit on calls in flight: a latency is a sleep."""
    server = grpc.aio.server()
    scc = (
        (services.scc.ListFindings, _SCC_REQUEST),
        (services.scc.UpdateSecurityMarks, _MARKS_REQUEST),
        (services.scc.UpdateExternalSystem, _SYSTEM_REQUEST),
    )
    rpcs = (
        ("google.cloud.securitycenter.v2.SecurityCenter", scc),
        ("google.container.v1.ClusterManager", ((services.gke.GetCluster, _GKE_REQUEST),)),
        ("google.logging.v2.LoggingServiceV2", ((services.logging.ListLogEntries, _LOGGING_REQUEST),)),
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(
                service,
                {
                    method.__name__: grpc.unary_unary_rpc_method_handler(
                        _answering(method), request_deserializer=request.FromString, response_serializer=_bytes
                    )
                    for method, request in methods
                },
            )
            for service, methods in rpcs
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


def _answering(method: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def answer(request: Any, context: Any) -> Any:
        try:
            return await method(request)
        except ApiError as error:
            await context.abort(error.code, error.message)
        except Dropped:
            # What a client sees of a connection that was reset: grpc gives the server no way to close one.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        except Lied:
            return GARBAGE
        except Dripping:
            await asyncio.sleep(HANG_SECONDS)

    return answer


def _bytes(reply: Any) -> bytes:
    return reply if isinstance(reply, bytes) else reply.SerializeToString()
