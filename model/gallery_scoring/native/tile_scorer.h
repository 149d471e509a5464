// Maps and queries as the tile kernels read them, and the loops over queries, panels and maps around the pipeline.
#pragma once

#include "strip_pipeline.h"

namespace {

template <class Product>
struct TileScorer {
  using Element = typename Product::Element;
  static constexpr int kGroup = 4 / sizeof(Element);
  static constexpr int kWide = 6, kNarrow = 4;  // panels of a strip

  struct Layout {
    int panels_per_strip;
    bool reads_in_place;
    int64_t rows, columns, row_elements, row_bytes, map_bytes, query_bytes;

    explicit Layout(const ScoringCall& call)
        : panels_per_strip(Product::kPrefersWideStrips && round_up(call.locations, 16) % (16 * kWide) == 0 ? kWide
                                                                                                           : kNarrow),
          rows(round_up(call.locations, kStripRows)),
          columns(round_up(call.locations, 16 * panels_per_strip)),
          row_elements(round_up(call.channels, 64 / sizeof(Element))),
          row_bytes(row_elements * sizeof(Element)),
          map_bytes(rows * row_bytes),
          query_bytes(columns * row_bytes) {
      reads_in_place = rows == call.locations && row_elements == call.channels;
    }
  };

  struct Packed : Parts {
    size_t query_weights, gallery_weights, queries;

    Packed(const Layout& layout, const ScoringCall& call) {
      query_weights = add(layout.columns * sizeof(float));
      gallery_weights = add(layout.rows * sizeof(float));
      queries = add(call.query_count * layout.query_bytes);
    }
  };

  struct Workspace : Parts {
    size_t maps, column_maxima, row_maxima, sums;

    explicit Workspace(const Layout& layout) {
      const int64_t block = kMapsPerBlock * layout.map_bytes;
      maps = add(block > layout.query_bytes ? block : layout.query_bytes);
      column_maxima = add(kMapsPerBlock * layout.columns * sizeof(float));
      row_maxima = add(kMapsPerBlock * layout.rows * sizeof(float));
      sums = add(StripPipeline<Product, kWide>::kBufferFloats * sizeof(float));
    }
  };

  static size_t packed_bytes(const ScoringCall& call) { return Packed(Layout(call), call).bytes; }
  static size_t workspace_bytes(const ScoringCall& call) { return Workspace(Layout(call)).bytes; }

  static void pack(const ScoringCall& call, std::byte* packed, std::byte* workspace) {
    const Layout layout(call);
    const Packed parts(layout, call);
    pad_weights(reinterpret_cast<float*>(packed + parts.query_weights), layout.columns, call.query_weights,
                call.locations);
    pad_weights(reinterpret_cast<float*>(packed + parts.gallery_weights), layout.rows, call.gallery_weights,
                call.locations);
    auto* padded = reinterpret_cast<Element*>(workspace);
    auto* panel = reinterpret_cast<Element*>(packed + parts.queries);
    for (int64_t query = 0; query < call.query_count; query++) {
      const std::byte* map = map_at(call.query_maps, query, call, sizeof(Element));
      pad_map(padded, layout.columns, layout.row_elements, map, call);
      for (int64_t column = 0; column < layout.columns; column += 16, panel += 16 * layout.row_elements)
        pack_panel<16, kGroup>(panel, 16 * kGroup, padded + column * layout.row_elements, layout.row_elements);
    }
  }

  static void score_block(const ScoringCall& call, const std::byte* packed, std::byte* workspace, int64_t first,
                          int64_t count, int64_t following) {
    const Layout layout(call);
    const std::byte* maps[kMapsPerBlock];
    for (int64_t i = 0; i < count; i++)
      maps[i] = read_map(call, layout, first + i, workspace + Workspace(layout).maps + i * layout.map_bytes);
    Prefetch prefetch = prefetch_of(call, layout, first, count, following);
    if (layout.panels_per_strip == kWide)
      score_maps<kWide>(call, layout, packed, workspace, maps, first, count, prefetch);
    else
      score_maps<kNarrow>(call, layout, packed, workspace, maps, first, count, prefetch);
  }

 private:
  // A gallery map as tiles read it: where it lies if it is whole tiles, else a copy.
  static const std::byte* read_map(const ScoringCall& call, const Layout& layout, int64_t column, std::byte* copy) {
    const std::byte* map = map_at(call.gallery_maps, gallery_row(call, column), call, sizeof(Element));
    if (layout.reads_in_place) return map;
    pad_map(reinterpret_cast<Element*>(copy), layout.rows, layout.row_elements, map, call);
    return copy;
  }

  // The next block, spread over all steps of this one. Nothing where maps are copied: the copy fetches them.
  static Prefetch prefetch_of(const ScoringCall& call, const Layout& layout, int64_t first, int64_t count,
                              int64_t following) {
    Prefetch prefetch;
    if (!layout.reads_in_place) return prefetch;
    for (int64_t i = 0; i < following; i++) prefetch.maps[i] = read_map(call, layout, first + count + i, nullptr);
    prefetch.map_count = following;
    prefetch.map_bytes = layout.map_bytes;
    const int64_t lines = following * layout.map_bytes / 64;
    const int64_t steps =
        call.query_count * (layout.columns / 32) * count * (layout.rows / kStripRows) * (layout.row_bytes / 64);
    prefetch.lines_per_step = (lines + steps - 1) / steps;
    return prefetch;
  }

  template <int panels>
  static void score_maps(const ScoringCall& call, const Layout& layout, const std::byte* packed, std::byte* workspace,
                         const std::byte* const* maps, int64_t first, int64_t count, Prefetch& prefetch) {
    const Packed parts(layout, call);
    const Workspace offsets(layout);
    auto* columns = reinterpret_cast<float*>(workspace + offsets.column_maxima);
    auto* rows = reinterpret_cast<float*>(workspace + offsets.row_maxima);
    const auto* query_weights = reinterpret_cast<const float*>(packed + parts.query_weights);
    const auto* gallery_weights = reinterpret_cast<const float*>(packed + parts.gallery_weights);
    StripPipeline<Product, panels> pipeline(reinterpret_cast<float*>(workspace + offsets.sums), layout.row_bytes,
                                            prefetch);
    for (int64_t query = 0; query < call.query_count; query++) {
      fill_lowest(columns, count * layout.columns);
      fill_lowest(rows, count * layout.rows);
      const std::byte* panel = packed + parts.queries + query * layout.query_bytes;
      for (int64_t column = 0; column < layout.columns; column += 16 * panels, panel += 16 * panels * layout.row_bytes)
        for (int64_t i = 0; i < count; i++)
          for (int64_t row = 0; row < layout.rows; row += kStripRows) {
            const std::byte* strip = maps[i] + row * layout.row_bytes;
            const bool is_last = row + kStripRows == layout.rows;
            const std::byte* next = is_last ? maps[i + 1 < count ? i + 1 : 0] : strip + kStripRows * layout.row_bytes;
            pipeline.push(
                {strip, next, panel, rows + i * layout.rows + row, columns + i * layout.columns + column});
          }
      pipeline.drain();
      for (int64_t i = 0; i < count; i++) {
        const float sum = Product::weigh(columns + i * layout.columns, query_weights, layout.columns) +
                          Product::weigh(rows + i * layout.rows, gallery_weights, layout.rows);
        call.logits[query * call.gallery_count + first + i] = sum * scale_of_pair(call, query, first + i) + call.bias;
      }
    }
  }

  static void fill_lowest(float* values, int64_t count) {
    for (int64_t i = 0; i < count; i += 16) _mm512_store_ps(values + i, Float32Maxima::lowest());
  }
};

}  // namespace
