"""The recipes: functions that return a value which decides a whole training run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log, pi

from model.checkpoint import shipped_checkpoint_path
from model.config import ModelConfig
from training.augmentation.settings import (
    PAPER_AUGMENTATION,
    STRONG_AUGMENTATION,
    Augmentation,
    Colors,
    Covering,
    Degradation,
    Placing,
)
from training.learning_rate import StepDecay, WarmupCosine
from training.losses.contrastive import ContrastiveSettings
from training.objectives.build_objective import ObjectiveSettings
from training.objectives.class_memory_matching import ClassMemoryMatching
from training.objectives.classification import Classification
from training.objectives.pairwise_matching import PairwiseMatching
from training.optimization import OptimizerSettings
from training.recipe import Recipe, Stage
from training.sampling.balanced import BalancedSampling
from training.sampling.graph import GraphSampling
from training.sampling.shuffled import ShuffledSampling
from training.sources.drawn_networks import DrawnNetworks, NetworkPlan
from training.sources.fresh_renderings import FreshRenderings
from training.synthetic.walks import Traffic

# Few crops of each walk: for the same number of crops, more people.
_VARIED = Traffic(seconds_between_groups=25.0, fewest_crops=2, most_crops=4)
_VALIDATION = NetworkPlan(seed=9001, num_people=60, num_cameras=6)
_NETWORKS = DrawnNetworks(
    tuple(NetworkPlan(100 + index, num_people=100, num_cameras=8, traffic=_VARIED) for index in range(14))
)


def synthetic_resnet18() -> Recipe:
    """The checkpoint that comes with the project: from scratch, on people who are rendered while it trains.

    Every pair of a batch is matched, so that negatives are fresh; batches are random at first and then of people who
    look alike. Without hard triplets: of crops that are cut, covered or blurred the hardest pair is often hopeless.
    Without ImageNet weights the paper's learning rates (0.001 and 0.01) are too low; 0.05 for all layers with a warm-up
    and a cosine trains well. It begins with small crops, which cost an eighth of the full size.
    """
    similar_people = GraphSampling(16, 4, persons_per_graph=400, batches_per_graph=60)
    return Recipe(
        name="synthetic_resnet18",
        model_config=ModelConfig(
            input_height=256,
            input_width=128,
            backbone="resnet18",
            final_layer="layer3",
            block_normalisation="instance_batch",
            neck_batch_norm=True,
        ),
        source=FreshRenderings(seed=100, people_in_pool=600, people_per_step=3),
        validation=_VALIDATION,
        stages=(
            Stage(128, 48, 2, BalancedSampling(16, 4), WarmupCosine(0.05, 120), 600),
            Stage(192, 64, 5, similar_people, WarmupCosine(0.05, 20), 600),
            Stage(256, 128, 3, similar_people, WarmupCosine(0.02, 20), 300),
        ),
        objective=PairwiseMatching(triplet_weight=0.0),
        # The drawn cameras blur, shrink and compress as it is.
        augmentation=replace(
            STRONG_AUGMENTATION, degradation=Degradation(small_share=0.3, blur_share=0.2, noise_share=0.2)
        ),
        optimizer=OptimizerSettings(backbone_rate_share=1.0, largest_gradient_norm=10.0),
        contrastive=ContrastiveSettings(weight=1.0),
    )


def synthetic_efficientnet_lite0() -> Recipe:
    """From ImageNet weights, on people who are rendered while it trains; begun, and not finished yet (LOG.md).

    Its layers know photographs, which drawings do not teach: they learn at 0.3 of the rate. Instance normalisation in
    its first blocks takes light and colour cast out, which gained far more than leaving these blocks as they were.
    """
    similar_people = GraphSampling(16, 4, persons_per_graph=400, batches_per_graph=60)
    strong = STRONG_AUGMENTATION
    return replace(
        synthetic_resnet18(),
        name="synthetic_efficientnet_lite0",
        model_config=ModelConfig(
            input_height=256,
            input_width=128,
            # As the weights were trained.
            input_mean=(127 / 255,) * 3,
            input_std=(128 / 255,) * 3,
            backbone="efficientnet_lite0",
            final_layer="layer3",
            block_normalisation="instance_batch",
            neck_batch_norm=True,
        ),
        stages=(
            Stage(192, 96, 8, similar_people, WarmupCosine(0.03, 60), 150),
            Stage(256, 128, 7, similar_people, WarmupCosine(0.03, 20), 150),
        ),
        augmentation=Augmentation(
            replace(strong.placing, shift=0.12),
            replace(strong.colors, grey_share=0.12),
            # The drawn cameras blur, shrink and compress as it is.
            Degradation(small_share=0.3, blur_share=0.2, noise_share=0.2),
            replace(strong.covering, erasing_share=0.4),
        ),
        optimizer=OptimizerSettings(backbone_rate_share=0.3, largest_gradient_norm=10.0),
        imagenet_weights=True,
    )


def efficientnet_lite0() -> Recipe:
    """A network for your own cameras from ImageNet weights: give it a dataset of at least 16 people.

    The same number of steps for a small dataset and for a large one: set `stages.0.epochs` for more.
    """
    return replace(
        synthetic_efficientnet_lite0(),
        name="efficientnet_lite0",
        stages=(Stage(256, 128, 12, GraphSampling(16, 4), WarmupCosine(0.03, 50), 150),),
        augmentation=Augmentation(covering=STRONG_AUGMENTATION.covering),
    )


def fine_tune() -> Recipe:
    """The shipped checkpoint trained further, at full size and a low rate: give it a dataset."""
    return replace(
        synthetic_resnet18(),
        name="fine_tune",
        stages=(Stage(256, 128, 10, GraphSampling(16, 4), WarmupCosine(0.005, 50)),),
        augmentation=Augmentation(covering=STRONG_AUGMENTATION.covering),
        start_from=str(shipped_checkpoint_path()),
    )


def synthetic_class_memory() -> Recipe:
    """From scratch on people drawn once, against the class memory: how the first shipped checkpoint was trained."""
    memory = ClassMemoryMatching(takes_batch="before", classes_per_step=192)
    return Recipe(
        name="synthetic_class_memory",
        model_config=ModelConfig(backbone="resnet18", final_layer="layer3", neck_batch_norm=True),
        source=_NETWORKS,
        validation=_VALIDATION,
        stages=(
            Stage(192, 64, 29, BalancedSampling(16, 4), WarmupCosine(0.05, 120), 100),
            Stage(384, 128, 2, BalancedSampling(16, 4), WarmupCosine(0.01, 20), 120),
        ),
        objective=memory,
        optimizer=OptimizerSettings(backbone_rate_share=1.0, largest_gradient_norm=10.0),
        contrastive=ContrastiveSettings(weight=1.0),
    )


def paper_qaconv() -> Recipe:
    """Liao & Shao 2020, Section 5.1: ResNet-50 up to layer 3, class memory with replacement, focal loss, random block.

    Give it a dataset, and ImageNet weights: from scratch its learning rates are too low.
    """
    return _paper("paper_qaconv", ClassMemoryMatching())


def paper_qaconv_moving_average() -> Recipe:
    """The same with the moving average that the paper compares its memory with."""
    return _paper("paper_qaconv_moving_average", ClassMemoryMatching(momentum=0.5))


def paper_qaconv_random_erasing() -> Recipe:
    """The same with random erasing in place of random block (Zhong et al., AAAI 2020)."""
    erasing = replace(PAPER_AUGMENTATION, covering=Covering(block_share=0.0, erasing_share=0.5))
    return replace(paper_qaconv(), name="paper_qaconv_random_erasing", augmentation=erasing)


def paper_softmax() -> Recipe:
    """Table 2's softmax cross-entropy on pooled features."""
    return _paper("paper_softmax", Classification())


def paper_arc() -> Recipe:
    """Table 2's arc loss on pooled features."""
    return _paper("paper_arc", Classification(loss="arc"))


def paper_centre() -> Recipe:
    """Table 2's centre loss, with cross-entropy, on pooled features."""
    return _paper("paper_centre", Classification(centre_weight=0.003))


def paper_pooled_memory() -> Recipe:
    """Table 2's class memory on the cosine of pooled features."""
    return _paper("paper_pooled_memory", ClassMemoryMatching(compares="pooled_features"))


def graph_qaconv() -> Recipe:
    """Liao & Shao, CVPR 2022: graph sampling, hard triplets and pairwise matching, in a quarter of the epochs.

    Settings are the defaults of the authors' code for it (`main.py` of ShengcaiLiao/QAConv, version 2.1): a 3×3 neck
    of 128 channels with batch normalisation, one head for both directions, batches of 32 people with 2 crops each, the
    rates 0.005 and 0.0005, gradients limited to a norm of 8, a margin of 16, the network's statistics frozen, a block
    on every crop. Where this differs:

    - Losses: theirs is the hard triplet loss alone, and was the pairwise matching loss alone in version 2.0 (2021).
      Here both, with equal weights: triplets do not change when all logits shift, while p_a, which is lifted and shown,
      is a probability only where a loss says what 0 is.
    - Epochs: they lower the rate when the loss is below 0.7 times the second epoch's, and stop after half as many
      epochs more. Here after 10 of 15, their fixed course of version 2.0, which has the same proportions.
    - Their limit holds for the network and the head apart, here for all gradients together.
    - Backbone: they add instance normalisation (IBN-b), whose ImageNet weights are not torchvision's; here is none.
    - Their crops move by up to 10 pixels, 3 % of the height and 8 % of the width: here by 5 % of each. They also turn
      by up to 5°; here nothing turns. Brightness, contrast and saturation change by a factor of up to 2 both ways, and
      hue by up to a tenth of the circle, as theirs do.
    - Pixels: theirs are resized bicubically and go in as they are; here bilinearly, normalised as ImageNet's.
    - Precision: theirs is float16, here bfloat16.
    """
    augmentation = replace(
        PAPER_AUGMENTATION,
        placing=Placing(shift=0.05, zoom=0.0),
        colors=Colors(gain=log(2), gamma=0.0, contrast=log(2), saturation=log(2), cast=0.0, hue=0.2 * pi),
    )
    return replace(
        _paper("graph_qaconv", PairwiseMatching(), augmentation),
        model_config=ModelConfig(neck_kernel_size=3, neck_batch_norm=True, shared_head=True),
        stages=(Stage(384, 128, 15, GraphSampling(32, 2), StepDecay(0.005, 10)),),
        optimizer=OptimizerSettings(largest_gradient_norm=8.0),
        freezes_statistics=True,
    )


def tiny() -> Recipe:
    """Seconds of training for a look at the machinery; the result is of no use."""
    return Recipe(
        name="tiny",
        model_config=ModelConfig(
            input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=32
        ),
        source=DrawnNetworks((NetworkPlan(seed=1, num_people=12, num_cameras=3, traffic=_VARIED),), 64, 32),
        validation=NetworkPlan(seed=2, num_people=4, num_cameras=2, traffic=_VARIED),
        stages=(Stage(64, 32, 3, BalancedSampling(4, 4), WarmupCosine(0.02, 5), 10),),
        objective=ClassMemoryMatching(takes_batch="before"),
        optimizer=OptimizerSettings(backbone_rate_share=1.0, largest_gradient_norm=10.0),
        contrastive=ContrastiveSettings(weight=1.0),
    )


def _paper(name: str, objective: ObjectiveSettings, augmentation: Augmentation = PAPER_AUGMENTATION) -> Recipe:
    return Recipe(
        name=name,
        model_config=ModelConfig(),
        source=_NETWORKS,
        validation=_VALIDATION,
        stages=(Stage(384, 128, 60, ShuffledSampling(32), StepDecay()),),
        objective=objective,
        augmentation=augmentation,
    )


RECIPES: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        synthetic_resnet18,
        synthetic_efficientnet_lite0,
        efficientnet_lite0,
        fine_tune,
        synthetic_class_memory,
        paper_qaconv,
        paper_qaconv_moving_average,
        paper_qaconv_random_erasing,
        paper_softmax,
        paper_arc,
        paper_centre,
        paper_pooled_memory,
        graph_qaconv,
        tiny,
    )
}
