// Int8 products with AVX-512 VNNI: 8 gallery locations × 48 query locations (3 vectors of 16), 24 vectors of int32
// sums. One instruction takes four channels of a gallery location and of sixteen query locations.
//
// The instruction multiplies unsigned bytes with signed ones: gallery values are copied 128 larger, and the sums begin
// at −128 × the sum of the query location's values, which lies behind the panels. Exact up to 2^16 channels.
#include "instruction_sets.h"
#include "maxima_avx512.h"
#include "vector_scorer.h"

namespace {

struct Int8Avx512 : Int32Maxima {
  using Element = int8_t;
  static constexpr int kRows = 8, kPanels = 3, kLanes = 16, kGroup = 4, kPanelTail = kLanes * sizeof(int32_t);

  static bool takes(Format format, int64_t channels) { return format == kInt8 && channels <= 65536; }

  static bool reads_in_place(const ScoringCall&, bool) { return false; }

  static void read_gallery_map(Element* rows, int64_t count, int64_t row_elements, const ScoringCall& call,
                               int64_t index) {
    pad_map(rows, count, row_elements, map_at(call.gallery_maps, index, call, sizeof(Element)), call);
    for (int64_t i = 0; i < count * row_elements; i++) rows[i] = static_cast<Element>(rows[i] ^ 0x80);
  }

  static void read_query(Element* rows, int64_t count, int64_t row_elements, const ScoringCall& call, int64_t index) {
    pad_map(rows, count, row_elements, map_at(call.query_maps, index, call, sizeof(Element)), call);
  }

  static void write_panel_tail(Element* tail, const Element* rows, int64_t row_elements) {
    for (int lane = 0; lane < kLanes; lane++) {
      int32_t begin = 0;
      for (int64_t i = 0; i < row_elements; i++) begin -= 128 * rows[lane * row_elements + i];
      std::memcpy(tail + lane * sizeof(begin), &begin, sizeof(begin));
    }
  }

  // sum += value · column. Assembly: from intrinsics, GCC keeps sums on the stack although 32 registers hold them all.
  static void multiply_add(__m512i& sum, __m512i value, __m512i column) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(value), "v"(column));
  }

  template <int count>
  static void multiply(const Element* rows, int64_t row_elements, const Element* panels, int64_t steps,
                       Sums (&sums)[kRows][count]) {
#pragma GCC unroll 8
    for (auto& row : sums)
#pragma GCC unroll 3
      for (int p = 0; p < count; p++)
        row[p] = _mm512_load_si512(panels + steps * count * kLanes * kGroup + p * kPanelTail);
    for (int64_t step = 0; step < steps; step++) {
      __m512i columns[count];
#pragma GCC unroll 3
      for (int p = 0; p < count; p++) columns[p] = _mm512_load_si512(panels + (step * count + p) * kLanes * kGroup);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) {
        int32_t four;
        std::memcpy(&four, rows + r * row_elements + step * kGroup, sizeof(four));
        const __m512i value = _mm512_set1_epi32(four);
#pragma GCC unroll 3
        for (int p = 0; p < count; p++) multiply_add(sums[r][p], value, columns[p]);
      }
    }
  }

  static Sums reduce_rows(const Sums* vectors) { return reduce_sixteen<Int32Maxima>(vectors); }

  static float weigh(const Sums* maxima, const float* weights, int64_t vectors) {
    return weigh_maxima<Int32Maxima>(maxima, weights, vectors);
  }
};

}  // namespace

constexpr Kernel kInt8Avx512 = kernel_of<VectorScorer<Int8Avx512>>("avx512_vnni", has_avx512_vnni, Int8Avx512::takes);
