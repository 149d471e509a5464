"""Scores of queries against gallery maps in one pass on a GPU: products, maxima and head; only scores are written.

A program keeps one query's map in shared memory and streams the maps of a few detections past it, `TILE` locations at a
time. The tensor cores give the similarities of those locations with all of the query's; they stay in registers until
only maxima are left of them.

Shapes that do not divide are padded with copies of the last location: a copy wins no maximum that its original would
not have won, whatever the sign, and its weight is zero.
"""

# Triton's language, not Python: its types are tensors and compile-time constants, the latter written in capitals.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, N803, N806, PLR0917, RUF005, SIM108, SIM300

import triton
import triton.language as tl


# Numbers that change from call to call are not compiled for.
@triton.jit(do_not_specialize=["query_count", "gallery_count", "detections_per_program"])
def score_pairs(
    queries,  # [q, L, C], float16, bfloat16 or int8
    gallery,  # [g, L, C], same dtype
    query_weights,  # float32 [L]
    gallery_weights,  # float32 [L]
    scores,  # float32 [q, g], written
    query_count,
    gallery_count,
    detections_per_program,
    bias,
    LOCATIONS: tl.constexpr,  # L
    CHANNELS: tl.constexpr,  # C
    PADDED_CHANNELS: tl.constexpr,  # the next power of two
    PART: tl.constexpr,  # locations of the query whose maxima are kept together, a power of two
    PARTS: tl.constexpr,  # of them that hold a query
    TILE: tl.constexpr,  # locations of the gallery in one product, a power of two
    STAGES: tl.constexpr,  # tiles under way or in use
):
    """One query of all and `detections_per_program` detections, in a grid of q · ⌈g / detections_per_program⌉ programs."""
    # Sums of int8 products are exact as int32: 2¹⁴ · C.
    SUM: tl.constexpr = tl.int32 if gallery.dtype.element_ty == tl.int8 else tl.float32
    TILES: tl.constexpr = (LOCATIONS + TILE - 1) // TILE
    # Queries are the fastest index: programs that run together read the same detections, from the second-level cache.
    query = tl.program_id(0) % query_count
    first = tl.program_id(0) // query_count * detections_per_program
    last = tl.minimum(first + detections_per_program, gallery_count)

    query_map = queries + query.to(tl.int64) * (LOCATIONS * CHANNELS)
    kernels = ()
    for pair in tl.static_range((PARTS + 1) // 2):
        # Two parts in one product, where there are two: operands of a wider product are read less often.
        kernels = kernels + (
            _load_rows(
                query_map,
                2 * PART * pair,
                2 * PART if 2 * pair + 1 < PARTS else PART,
                LOCATIONS,
                CHANNELS,
                PADDED_CHANNELS,
            ),
        )
    weights = ()
    query_maxima = ()
    for part in tl.static_range(PARTS):
        weights = weights + (_load_weights(query_weights, part * PART, PART, LOCATIONS),)
        query_maxima = query_maxima + (_smallest((TILE // 16, 8, PART), SUM),)
    gallery_sums = tl.zeros((TILE,), tl.float32)

    # One loop over the tiles of all detections: loads run ahead across the border between two of them.
    for step in tl.range(first * TILES, last * TILES, num_stages=STAGES):
        detection = step // TILES
        tile = step % TILES
        gallery_map = gallery + detection.to(tl.int64) * (LOCATIONS * CHANNELS)
        patches = _load_rows(gallery_map, tile * TILE, TILE, LOCATIONS, CHANNELS, PADDED_CHANNELS)
        row_weights = _load_weights(gallery_weights, tile * TILE, TILE, LOCATIONS)
        row_maxima = _smallest((TILE,), SUM)
        products = ()
        for pair in tl.static_range((PARTS + 1) // 2):
            product = tl.dot(patches, tl.trans(kernels[pair]), out_dtype=SUM)
            row_maxima = tl.maximum(row_maxima, tl.max(product, axis=1))
            products = products + _parts_of(product, TILE, PART)
        larger = ()
        for part in tl.static_range(PARTS):
            larger = larger + (tl.maximum(query_maxima[part], products[part]),)
        query_maxima = larger
        gallery_sums += row_maxima.to(tl.float32) * row_weights

        if tile == TILES - 1:
            query_sums = tl.zeros((PART,), tl.float32)
            for part in tl.static_range(PARTS):
                maxima = tl.max(tl.reshape(query_maxima[part], (TILE // 2, PART)), axis=0)
                query_sums += maxima.to(tl.float32) * weights[part]
            score = tl.sum(query_sums, axis=0) + tl.sum(gallery_sums, axis=0)
            tl.store(scores + query.to(tl.int64) * gallery_count + detection, score + bias)
            gallery_sums = tl.zeros((TILE,), tl.float32)
            none = ()
            for _ in tl.static_range(PARTS):
                none = none + (_smallest((TILE // 16, 8, PART), SUM),)
            query_maxima = none


@triton.jit
def _parts_of(product, TILE: tl.constexpr, PART: tl.constexpr):
    """A product [TILE, PART or 2 PART] as its parts [TILE / 16, 8, PART], of every two rows in one thread the larger.

    Rows r and r + 8 of every sixteen are in the same thread, so this halves what has to be kept, without a shuffle.
    """
    if product.shape[1] == PART:
        parts = (tl.max(tl.reshape(product, (TILE // 16, 2, 8, PART)), axis=1),)
    else:
        both = tl.max(tl.reshape(product, (TILE // 16, 2, 8, 2, PART)), axis=1)
        left, right = tl.split(tl.permute(both, (0, 1, 3, 2)))
        parts = (left, right)
    return parts


@triton.jit
def _smallest(shape: tl.constexpr, SUM: tl.constexpr):
    if SUM == tl.int32:
        smallest = tl.full(shape, -(2**31), SUM)
    else:
        smallest = tl.full(shape, float("-inf"), SUM)
    return smallest


@triton.jit
def _load_rows(
    feature_map,
    start,
    COUNT: tl.constexpr,
    LOCATIONS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PADDED_CHANNELS: tl.constexpr,
):
    """Locations from `start` on of a map, [COUNT, PADDED_CHANNELS]; beyond the last one copies of it."""
    rows = start + tl.arange(0, COUNT)
    if LOCATIONS % COUNT != 0:
        rows = tl.minimum(rows, LOCATIONS - 1)
    channels = tl.arange(0, PADDED_CHANNELS)
    places = feature_map + rows[:, None] * CHANNELS + channels[None, :]
    if PADDED_CHANNELS == CHANNELS:
        return tl.load(places)
    return tl.load(places, mask=channels[None, :] < CHANNELS, other=0)


@triton.jit
def _load_weights(weights, start, COUNT: tl.constexpr, LOCATIONS: tl.constexpr):
    """Weights of locations from `start` on; beyond the last one zeros."""
    locations = start + tl.arange(0, COUNT)
    return tl.load(weights + locations, mask=locations < LOCATIONS, other=0.0)
