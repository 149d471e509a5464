"""Carries a model over to another input size: the same convolutions, a head with more or fewer locations."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint, create_checkpoint
from model.config import ModelConfig
from model.query_adaptive_convolution import MatchingHead


def resize_model(model: Checkpoint, input_height: int, input_width: int) -> Checkpoint:
    """The same model for crops of another size.

    The weights of the head are resized bilinearly as the map they lie on and scaled so that their sum stays.
    """
    config = replace(model.config, input_height=input_height, input_width=input_width)
    resized = create_checkpoint(model.name, config)
    resized.extractor.load_state_dict(model.extractor.state_dict())
    source, target = model.matcher.head, resized.matcher.head
    target.bn.load_state_dict(source.bn.state_dict())
    target.logit_bn.load_state_dict(source.logit_bn.state_dict())
    with torch.no_grad():
        target.fc.weight.copy_(_resize_weights(source, model.config, config))
        target.fc.bias.copy_(source.fc.bias)
    return replace(resized, provenance=model.provenance)


def _resize_weights(head: MatchingHead, old: ModelConfig, new: ModelConfig) -> Tensor:
    maps = head.fc.weight.view(1, -1, old.map_height, old.map_width)
    resized = functional.interpolate(maps, (new.map_height, new.map_width), mode="bilinear", align_corners=False)
    resized = resized * (maps.sum(dim=(2, 3), keepdim=True) / resized.sum(dim=(2, 3), keepdim=True))
    return resized.reshape(1, -1)
