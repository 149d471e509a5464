"""Several processes that train one model on joined batches, as `torchrun` starts them.

Each process runs its part of a batch through the network. Then all gather the outputs of all, and each computes the
same loss of the whole batch: pairs between processes count like any others, and the class memories stay alike. The
gradients of that loss are those of one process with the whole batch; a test holds them together.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def joined_processes(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, if it did, while the context lasts."""
    if "WORLD_SIZE" not in os.environ or distributed.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def process_number() -> int:
    """The rank of this process; 0 where there is one."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def num_joined_processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def num_local_processes() -> int:
    """How many of them torchrun started on this machine, which share its cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def own_part(chosen: Tensor) -> Tensor:
    """This process's part of a batch's crop numbers, int64 [n / processes]; the first process's choice holds for all.

    Raises:
        ValueError: the batch cannot be divided.
    """
    processes = num_joined_processes()
    if processes == 1:
        return chosen
    if len(chosen) % processes:
        raise ValueError(
            f"a batch of {len(chosen)} crops cannot be divided among {processes} processes: give a multiple"
        )
    agreed = chosen.to(_device()).clone()
    distributed.broadcast(agreed, 0)
    return agreed.cpu().chunk(processes)[process_number()]


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, in their order: [n, ...] to [processes * n, ...], differentiable."""
    if num_joined_processes() == 1:
        return rows
    gathered: Tensor = _GatherRows.apply(rows)
    return gathered


def parallel_network(network: nn.Module) -> nn.Module:
    """The network for this process's part of a batch, whose gradients become those of the whole batch."""
    if num_joined_processes() == 1:
        return network
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _JoinedBatchNorm.like(child))
    return DistributedDataParallel(network)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The mean over the processes, for what `parallel_network` does not hold."""
    if num_joined_processes() == 1:
        return
    for parameter in parameters:
        if parameter.grad is not None:
            distributed.all_reduce(parameter.grad)
            parameter.grad /= num_joined_processes()


def _device() -> torch.device:
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401
        parts = [torch.empty_like(rows) for _ in range(num_joined_processes())]
        distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> Tensor:  # noqa: ANN401
        gradients = gradients.contiguous().clone()
        distributed.all_reduce(gradients)
        return gradients.chunk(num_joined_processes())[process_number()]


class _SumOfProcesses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> Tensor:  # noqa: ANN401
        total = gradients.contiguous().clone()
        distributed.all_reduce(total)
        return total


class _JoinedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the parts of all processes. PyTorch's own of this kind runs on CUDA alone."""

    @classmethod
    def like(cls, norm: nn.BatchNorm2d) -> "_JoinedBatchNorm":
        """One that shares the parameters and statistics of another."""
        joined = cls(norm.num_features, norm.eps, norm.momentum)
        joined.weight, joined.bias = norm.weight, norm.bias
        joined.running_mean, joined.running_var = norm.running_mean, norm.running_var
        joined.num_batches_tracked = norm.num_batches_tracked
        return joined.train(norm.training)

    def forward(self, features: Tensor) -> Tensor:
        """See `nn.BatchNorm2d`."""
        if not self.training:
            return super().forward(features)
        values = features.float()
        count = values.numel() // self.num_features * num_joined_processes()
        mean: Tensor = _SumOfProcesses.apply(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance: Tensor = _SumOfProcesses.apply(centred.square().sum(dim=(0, 2, 3))) / count
        self._track(mean.detach(), variance.detach(), count)
        gain = self.weight * (variance + self.eps).rsqrt()
        return (centred * gain[:, None, None] + self.bias[:, None, None]).to(features.dtype)

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        self.num_batches_tracked += 1
