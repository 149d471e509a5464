"""From the settings of an objective to the objective."""

from model.checkpoint import Checkpoint
from training.objectives.class_memory_matching import ClassMemoryMatching, ClassMemoryObjective
from training.objectives.classification import Classification, ClassificationObjective
from training.objectives.objective import Objective
from training.objectives.pairwise_matching import PairwiseMatching, PairwiseMatchingObjective

ObjectiveSettings = ClassMemoryMatching | PairwiseMatching | Classification


def build_objective(settings: ObjectiveSettings, model: Checkpoint, num_classes: int) -> Objective:
    """The objective of a model that is trained on people numbered below `num_classes`."""
    match settings:
        case ClassMemoryMatching():
            return ClassMemoryObjective(settings, model, num_classes)
        case PairwiseMatching():
            return PairwiseMatchingObjective(settings, model.matcher)
        case Classification():
            return ClassificationObjective(settings, model.extractor.backbone.out_channels, num_classes)


def compares_pooled_features(settings: ObjectiveSettings) -> bool:
    """Whether what is trained is compared by the cosine of pooled features, and not by matching maps."""
    match settings:
        case ClassMemoryMatching():
            return settings.compares == "pooled_features"
        case PairwiseMatching():
            return False
        case Classification():
            return True
