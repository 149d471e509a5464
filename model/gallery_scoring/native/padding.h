// How maps of any shape are brought into whole vectors and tiles without changing a maximum.
//
// Added locations repeat the first one, so that they only add similarities that are there already; their own maxima get
// the weight 0. Added channels are 0 on both sides. Everything is in an anonymous namespace, here and in the other
// headers: files compiled for different processors must not share a function, or the linker would keep one of them.
#pragma once

#include <cstring>

#include "scoring_call.h"

namespace {

constexpr int64_t round_up(int64_t number, int64_t multiple) { return (number + multiple - 1) / multiple * multiple; }

// Consecutive parts of a buffer, each on 64 bytes.
struct Parts {
  size_t bytes = 0;

  size_t add(int64_t size) {
    const size_t offset = bytes;
    bytes += static_cast<size_t>(round_up(size, 64));
    return offset;
  }
};

const std::byte* map_at(const void* maps, int64_t index, const ScoringCall& call, int64_t element_bytes) {
  return static_cast<const std::byte*>(maps) + index * call.locations * call.channels * element_bytes;
}

// Which gallery map is scored for a column of the logits.
int64_t gallery_row(const ScoringCall& call, int64_t column) {
  return call.gallery_rows == nullptr ? column : call.gallery_rows[column];
}

// What a pair's weighted sums are multiplied with: integers stand for so much each.
float scale_of_pair(const ScoringCall& call, int64_t query, int64_t column) {
  return call.format == kInt8 ? call.query_scales[query] * call.gallery_scales[gallery_row(call, column)] : 1.0F;
}

// [locations][channels] into [rows][row_elements].
template <class Element>
void pad_map(Element* padded, int64_t rows, int64_t row_elements, const std::byte* map, const ScoringCall& call) {
  for (int64_t row = 0; row < rows; row++) {
    const int64_t source = row < call.locations ? row : 0;
    Element* target = padded + row * row_elements;
    std::memcpy(target, map + source * call.channels * sizeof(Element), call.channels * sizeof(Element));
    for (int64_t channel = call.channels; channel < row_elements; channel++) target[channel] = Element{};
  }
}

void pad_weights(float* padded, int64_t padded_count, const float* weights, int64_t count) {
  for (int64_t i = 0; i < padded_count; i++) padded[i] = i < count ? weights[i] : 0.0F;
}

// [lanes][row_elements] into [step][lane][group], a step every `step_elements`: a load gives `lanes` locations, `group`
// channels of each.
template <int lanes, int group, class Element>
void pack_panel(Element* packed, int64_t step_elements, const Element* rows, int64_t row_elements) {
  for (int64_t channel = 0; channel < row_elements; channel += group, packed += step_elements)
    for (int64_t lane = 0; lane < lanes; lane++)
      std::memcpy(packed + lane * group, rows + lane * row_elements + channel, group * sizeof(Element));
}

// The functions of a `Scorer` as the table of kernels takes them.
template <class Scorer>
constexpr Kernel kernel_of(const char* name, bool (*runs_here)(), bool (*takes)(Format, int64_t channels),
                           void (*begin_thread)() = nullptr, void (*end_thread)() = nullptr) {
  return {
      name,         runs_here, takes, Scorer::packed_bytes, Scorer::workspace_bytes, Scorer::pack, Scorer::score_block,
      begin_thread, end_thread};
}

}  // namespace
