// Bfloat16 products with AVX-512 BF16: 8 gallery locations × 48 query locations (3 vectors of 16), 24 vectors of
// float32 sums. One instruction takes two channels of a gallery location and of sixteen query locations.
#include "instruction_sets.h"
#include "maxima_avx512.h"
#include "vector_scorer.h"

namespace {

struct Bfloat16Avx512 : Float32Maxima {
  using Element = uint16_t;
  static constexpr int kRows = 8, kPanels = 3, kLanes = 16, kGroup = 2, kPanelTail = 0;

  static void write_panel_tail(Element*, const Element*, int64_t) {}

  static bool takes(Format format, int64_t) { return format == kBfloat16; }

  static bool reads_in_place(const ScoringCall&, bool has_whole_rows) { return has_whole_rows; }

  static void read_gallery_map(Element* rows, int64_t count, int64_t row_elements, const ScoringCall& call,
                               int64_t index) {
    pad_map(rows, count, row_elements, map_at(call.gallery_maps, index, call, sizeof(Element)), call);
  }

  static void read_query(Element* rows, int64_t count, int64_t row_elements, const ScoringCall& call, int64_t index) {
    pad_map(rows, count, row_elements, map_at(call.query_maps, index, call, sizeof(Element)), call);
  }

  // sum += value · column. Assembly: from intrinsics, GCC keeps sums on the stack although 32 registers hold them all.
  static void multiply_add(__m512& sum, __m512i value, __m512i column) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(value), "v"(column));
  }

  template <int count>
  static void multiply(const Element* rows, int64_t row_elements, const Element* panels, int64_t steps,
                       Sums (&sums)[kRows][count]) {
#pragma GCC unroll 8
    for (auto& row : sums)
      for (auto& sum : row) sum = zero();
    for (int64_t step = 0; step < steps; step++) {
      __m512i columns[count];
#pragma GCC unroll 3
      for (int p = 0; p < count; p++) columns[p] = _mm512_load_si512(panels + (step * count + p) * kLanes * kGroup);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) {
        int32_t pair;  // memcpy: a gallery may lie on any even address
        std::memcpy(&pair, rows + r * row_elements + step * kGroup, sizeof(pair));
        const __m512i value = _mm512_set1_epi32(pair);
#pragma GCC unroll 3
        for (int p = 0; p < count; p++) multiply_add(sums[r][p], value, columns[p]);
      }
    }
  }

  static Sums reduce_rows(const Sums* vectors) { return reduce_sixteen<Float32Maxima>(vectors); }

  static float weigh(const Sums* maxima, const float* weights, int64_t vectors) {
    return weigh_maxima<Float32Maxima>(maxima, weights, vectors);
  }
};

}  // namespace

constexpr Kernel kBfloat16Avx512 =
    kernel_of<VectorScorer<Bfloat16Avx512>>("avx512_bf16", has_avx512_bf16, Bfloat16Avx512::takes);
