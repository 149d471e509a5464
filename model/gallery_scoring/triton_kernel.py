"""Scores of queries against gallery maps in one pass on a GPU: products, maxima and head; only scores are written.

A program keeps one query's map in shared memory and streams a few detections past it, a group of them at a time. A tile
is sixteen locations of every detection of a group: the rows of a product that one warp holds, so that no maximum has to
be carried from one warp to another. The tensor cores give a tile's similarities with all of the query's locations; they
stay in registers until only maxima are left of them.

Numbers of locations that do not divide are padded with copies of the last location: a copy wins no maximum that its
original would not have won, whatever the sign, and its weight is zero.
"""

# Triton's language, not Python: its types are tensors and compile-time constants, the latter written in capitals.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, N803, N806, PLR0917, RUF005, SIM108, SIM300

import triton
import triton.language as tl


# Numbers that change from call to call are not compiled for.
@triton.jit(do_not_specialize=["query_count", "gallery_count", "groups_per_program"])
def score_pairs(
    queries,  # [q, L, C], float16, bfloat16 or int8
    gallery,  # [g, L, C], same dtype, at least a group
    query_weights,  # float32 [L]
    gallery_weights,  # float32 [L]
    scores,  # float32 [q, g], written
    query_count,
    gallery_count,
    groups_per_program,
    bias,
    LOCATIONS: tl.constexpr,  # L
    CHANNELS: tl.constexpr,  # C
    PADDED_CHANNELS: tl.constexpr,  # the next power of two
    PART: tl.constexpr,  # locations of the query whose maxima are kept together, a power of two
    PARTS: tl.constexpr,  # of them that hold a query
    GROUP: tl.constexpr,  # detections in a tile, a power of two
    ROWS: tl.constexpr,  # of a tile that belong to one detection: 16
    STAGES: tl.constexpr,  # tiles under way or in use
):
    """One query and `groups_per_program` groups of detections; the grid has as many programs as that takes."""
    # Sums of int8 products are exact as int32: 2¹⁴ · C.
    SUM: tl.constexpr = tl.int32 if gallery.dtype.element_ty == tl.int8 else tl.float32
    TILES: tl.constexpr = (LOCATIONS + ROWS - 1) // ROWS
    # Queries are the fastest index: programs that run together read the same detections, from the second-level cache.
    query = tl.program_id(0) % query_count
    first = tl.program_id(0) // query_count * groups_per_program
    last = tl.minimum(first + groups_per_program, (gallery_count + GROUP - 1) // GROUP)

    query_map = queries + query.to(tl.int64) * (LOCATIONS * CHANNELS)
    kernels = ()
    for pair in tl.static_range((PARTS + 1) // 2):
        # Two parts in one product, where there are two: operands of a wider product are read less often.
        columns = 2 * PART * pair + tl.arange(0, 2 * PART if 2 * pair + 1 < PARTS else PART)
        kernels = kernels + (_load_rows(query_map, tl.minimum(columns, LOCATIONS - 1), CHANNELS, PADDED_CHANNELS),)
    weights = ()
    query_maxima = ()
    for part in tl.static_range(PARTS):
        weights = weights + (_load_weights(query_weights, part * PART + tl.arange(0, PART), LOCATIONS),)
        query_maxima = query_maxima + (_smallest((GROUP, 8, PART), SUM),)
    row = tl.arange(0, GROUP * ROWS)
    gallery_sums = tl.zeros((GROUP * ROWS,), tl.float32)

    # One loop over the tiles of all groups: loads run ahead across the border between two of them.
    for step in tl.range(first * TILES, last * TILES, num_stages=STAGES):
        tile = step % TILES
        # The last group ends with the last detection, and scores some detections of the one before it again.
        start = tl.minimum(step // TILES * GROUP, gallery_count - GROUP)
        locations = tile * ROWS + row % ROWS
        if LOCATIONS % ROWS == 0:
            places = row // ROWS * LOCATIONS + locations
        else:
            places = row // ROWS * LOCATIONS + tl.minimum(locations, LOCATIONS - 1)
        group_maps = gallery + start.to(tl.int64) * (LOCATIONS * CHANNELS)
        patches = _load_rows(group_maps, places, CHANNELS, PADDED_CHANNELS)
        row_weights = _load_weights(gallery_weights, locations, LOCATIONS)
        row_maxima = _smallest((GROUP * ROWS,), SUM)
        products = ()
        for pair in tl.static_range((PARTS + 1) // 2):
            product = tl.dot(patches, tl.trans(kernels[pair]), out_dtype=SUM)
            row_maxima = tl.maximum(row_maxima, tl.max(product, axis=1))
            products = products + _parts_of(product, GROUP, PART)
        larger = ()
        for part in tl.static_range(PARTS):
            larger = larger + (tl.maximum(query_maxima[part], products[part]),)
        query_maxima = larger
        gallery_sums += row_maxima.to(tl.float32) * row_weights

        if tile == TILES - 1:
            query_sums = tl.zeros((GROUP, PART), tl.float32)
            none = ()
            for part in tl.static_range(PARTS):
                query_sums += tl.max(query_maxima[part], axis=1).to(tl.float32) * weights[part][None, :]
                none = none + (_smallest((GROUP, 8, PART), SUM),)
            query_maxima = none
            sums = tl.sum(query_sums, axis=1) + tl.sum(tl.reshape(gallery_sums, (GROUP, ROWS)), axis=1)
            gallery_sums = tl.zeros((GROUP * ROWS,), tl.float32)
            row_of_scores = scores + query.to(tl.int64) * gallery_count + start
            tl.store(row_of_scores + tl.arange(0, GROUP), sums + bias)


@triton.jit
def _parts_of(product, GROUP: tl.constexpr, PART: tl.constexpr):
    """A product [16 GROUP, PART or 2 PART] as its parts [GROUP, 8, PART], of every two rows in one thread the larger.

    Rows r and r + 8 of every sixteen are in the same thread, so this halves what has to be kept, without a shuffle.
    """
    if product.shape[1] == PART:
        parts = (tl.max(tl.reshape(product, (GROUP, 2, 8, PART)), axis=1),)
    else:
        both = tl.max(tl.reshape(product, (GROUP, 2, 8, 2, PART)), axis=1)
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
def _load_rows(maps, places, CHANNELS: tl.constexpr, PADDED_CHANNELS: tl.constexpr):
    """The channels of some locations, [len(places), PADDED_CHANNELS]."""
    channels = tl.arange(0, PADDED_CHANNELS)
    values = maps + places[:, None] * CHANNELS + channels[None, :]
    if PADDED_CHANNELS == CHANNELS:
        rows = tl.load(values)
    else:
        rows = tl.load(values, mask=channels[None, :] < CHANNELS, other=0)
    return rows


@triton.jit
def _load_weights(weights, locations, LOCATIONS: tl.constexpr):
    """Weights of some locations; of those beyond the last one zeros."""
    return tl.load(weights + locations, mask=locations < LOCATIONS, other=0.0)
