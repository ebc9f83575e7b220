"""How frames travel, for the commands of both ends: on gRPC, or by UDP beside it."""

from omegaconf import DictConfig

from bottleneck.runtime.datagrams.packing import Packing


def by_datagrams(cfg: DictConfig) -> bool:
    """Whether frames go by UDP.

    Raises:
        ValueError: If `transport` is unknown.
    """
    if cfg.transport not in ("grpc", "datagram"):
        raise ValueError(
            f"transport={cfg.transport} is unknown. Use grpc, or datagram (UDP beside gRPC, what is lost is "
            "concealed)."
        )
    return bool(cfg.transport == "datagram")


def packing_of(cfg: DictConfig) -> Packing | None:
    """How the device cuts and sends its payloads; `None` where they go on gRPC."""
    return Packing(cfg.datagrams.by, cfg.datagrams.mtu, cfg.datagrams.copies) if by_datagrams(cfg) else None
