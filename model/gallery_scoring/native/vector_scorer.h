// Scores maps with a kernel of vector instructions: similarities live in registers from the product to both maxima.
//
// A `Microkernel` multiplies `kRows` gallery locations with up to `kPanels` panels of `kLanes` query locations. For
// each group of panels, which stays in the first-level cache, all rows of the gallery map pass by; `column_maxima` are
// kept for each query location, and a vector for each gallery location, whose lanes are reduced when all panels are
// done.
//
// A NaN in a map makes the similarities of its whole location NaN, and the maximum of its second operand NaN wherever
// that is one (as x86's is): such a pair's logit is NaN, and no other's.
#pragma once

#include "padding.h"

namespace {

template <class Microkernel>
struct VectorScorer {
  using Element = typename Microkernel::Element;
  using Sums = typename Microkernel::Sums;
  static constexpr int kRows = Microkernel::kRows, kPanels = Microkernel::kPanels, kLanes = Microkernel::kLanes;
  static constexpr int kGroup = Microkernel::kGroup;

  struct Layout {
    int64_t rows, reduced_rows, columns, steps, row_elements, map_elements, panel_elements, query_elements;

    explicit Layout(const ScoringCall& call)
        : rows(round_up(call.locations, kRows)),
          reduced_rows(round_up(call.locations, kRows > kLanes ? kRows : kLanes)),
          columns(round_up(call.locations, kLanes)),
          steps((call.channels + kGroup - 1) / kGroup),
          row_elements(steps * kGroup),
          map_elements(rows * row_elements),
          panel_elements(kLanes * row_elements + Microkernel::kPanelTail),
          query_elements(columns / kLanes * panel_elements) {}
  };

  // Shared by all threads: weights of both sides, then the queries.
  struct Packed : Parts {
    size_t query_weights, gallery_weights, queries;  // where each begins

    Packed(const Layout& layout, const ScoringCall& call) {
      query_weights = add(layout.columns * sizeof(float));
      gallery_weights = add(layout.reduced_rows * sizeof(float));
      queries = add(call.query_count * layout.query_elements * sizeof(Element));
    }
  };

  struct Workspace : Parts {
    size_t maps, column_maxima, row_vectors;

    explicit Workspace(const Layout& layout) {
      const int64_t query = layout.columns * layout.row_elements, block = kMapsPerBlock * layout.map_elements;
      maps = add((block > query ? block : query) * sizeof(Element));
      column_maxima = add(layout.columns / kLanes * sizeof(Sums));
      row_vectors = add(layout.reduced_rows * sizeof(Sums));
    }
  };

  static size_t packed_bytes(const ScoringCall& call) { return Packed(Layout(call), call).bytes; }
  static size_t workspace_bytes(const ScoringCall& call) { return Workspace(Layout(call)).bytes; }

  static void pack(const ScoringCall& call, std::byte* packed, std::byte* workspace) {
    const Layout layout(call);
    const Packed parts(layout, call);
    pad_weights(reinterpret_cast<float*>(packed + parts.query_weights), layout.columns, call.query_weights,
                call.locations);
    pad_weights(reinterpret_cast<float*>(packed + parts.gallery_weights), layout.reduced_rows, call.gallery_weights,
                call.locations);
    auto* padded = reinterpret_cast<Element*>(workspace);
    auto* panels = reinterpret_cast<Element*>(packed + parts.queries);
    for (int64_t query = 0; query < call.query_count; query++) {
      Microkernel::read_query(padded, layout.columns, layout.row_elements, call, query);
      pack_query(layout, panels + query * layout.query_elements, padded);
    }
  }

  static void score_block(const ScoringCall& call, const std::byte* packed, std::byte* workspace, int64_t first,
                          int64_t count, int64_t) {
    const Layout layout(call);
    const Packed parts(layout, call);
    const Element* maps[kMapsPerBlock];
    auto* copies = reinterpret_cast<Element*>(workspace + Workspace(layout).maps);
    for (int64_t i = 0; i < count; i++)
      maps[i] = read_map(call, layout, gallery_row(call, first + i), copies + i * layout.map_elements);
    const auto* queries = reinterpret_cast<const Element*>(packed + parts.queries);
    for (int64_t query = 0; query < call.query_count; query++)
      for (int64_t i = 0; i < count; i++) {
        const float sum =
            score_pair(layout, parts, packed, queries + query * layout.query_elements, maps[i], workspace);
        call.logits[query * call.gallery_count + first + i] = sum * scale_of_pair(call, query, first + i) + call.bias;
      }
  }

 private:
  // Panels that are read together lie together, step by step, and their tails behind them.
  static void pack_query(const Layout& layout, Element* packed, const Element* rows) {
    const int64_t panels = layout.columns / kLanes;
    for (int64_t first = 0; first < panels; first += kPanels) {
      const int64_t count = panels - first < kPanels ? panels - first : kPanels;
      Element* target = packed + first * layout.panel_elements;
      for (int64_t p = 0; p < count; p++) {
        const Element* panel_rows = rows + (first + p) * kLanes * layout.row_elements;
        pack_panel<kLanes, kGroup>(target + p * kLanes * kGroup, count * kLanes * kGroup, panel_rows,
                                   layout.row_elements);
        Element* tail = target + count * kLanes * layout.row_elements + p * Microkernel::kPanelTail;
        Microkernel::write_panel_tail(tail, panel_rows, layout.row_elements);
      }
    }
  }

  // A gallery map as the microkernel takes it: where it lies if it can, else a copy.
  static const Element* read_map(const ScoringCall& call, const Layout& layout, int64_t index, Element* copy) {
    const bool has_whole_rows = layout.rows == call.locations && layout.row_elements == call.channels;
    if (Microkernel::reads_in_place(call, has_whole_rows))
      return reinterpret_cast<const Element*>(map_at(call.gallery_maps, index, call, sizeof(Element)));
    Microkernel::read_gallery_map(copy, layout.rows, layout.row_elements, call, index);
    return copy;
  }

  static float score_pair(const Layout& layout, const Packed& parts, const std::byte* packed, const Element* query,
                          const Element* map, std::byte* workspace) {
    const Workspace offsets(layout);
    auto* column_maxima = reinterpret_cast<Sums*>(workspace + offsets.column_maxima);
    auto* row_vectors = reinterpret_cast<Sums*>(workspace + offsets.row_vectors);
    for (int64_t row = layout.rows; row < layout.reduced_rows; row++) row_vectors[row] = Microkernel::zero();
    const int64_t panels = layout.columns / kLanes;
    int64_t panel = 0;
    for (; panel + kPanels <= panels; panel += kPanels)
      pass_rows<kPanels>(layout, query, map, panel, column_maxima, row_vectors);
    if constexpr (kPanels > 2)
      if (panels - panel == 2) pass_rows<2>(layout, query, map, panel, column_maxima, row_vectors);
    if (panels - panel == 1) pass_rows<1>(layout, query, map, panel, column_maxima, row_vectors);
    for (int64_t row = 0; row < layout.reduced_rows; row += kLanes)
      row_vectors[row / kLanes] = Microkernel::reduce_rows(row_vectors + row);
    const auto* query_weights = reinterpret_cast<const float*>(packed + parts.query_weights);
    const auto* gallery_weights = reinterpret_cast<const float*>(packed + parts.gallery_weights);
    return Microkernel::weigh(column_maxima, query_weights, layout.columns / kLanes) +
           Microkernel::weigh(row_vectors, gallery_weights, layout.reduced_rows / kLanes);
  }

  // All rows of a gallery map past `count` panels of the query, from `panel` on. Not inlined: it needs all registers.
  template <int count>
  [[gnu::noinline]] static void pass_rows(const Layout& layout, const Element* query, const Element* map, int64_t panel,
                                          Sums* column_maxima, Sums* row_vectors) {
    // In memory and not in a variable: AVX2's registers are all needed for the product.
    Sums* best = column_maxima + panel;
    for (int p = 0; p < count; p++) best[p] = Microkernel::lowest();
    for (int64_t row = 0; row < layout.rows; row += kRows) {
      Sums sums[kRows][count];
      Microkernel::template multiply<count>(map + row * layout.row_elements, layout.row_elements,
                                            query + panel * layout.panel_elements, layout.steps, sums);
#pragma GCC unroll 16
      for (int p = 0; p < count; p++) {
        Sums vector = best[p];
#pragma GCC unroll 16
        for (int r = 0; r < kRows; r++) vector = Microkernel::maximum(vector, sums[r][p]);
        best[p] = vector;
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; r++) {
        Sums vector = sums[r][0];
#pragma GCC unroll 16
        for (int p = 1; p < count; p++) vector = Microkernel::maximum(vector, sums[r][p]);
        row_vectors[row + r] = panel == 0 ? vector : Microkernel::maximum(row_vectors[row + r], vector);
      }
    }
  }
};

}  // namespace
