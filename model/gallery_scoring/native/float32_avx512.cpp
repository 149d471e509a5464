// Float32 products with AVX-512: 8 gallery locations × 48 query locations (3 vectors of 16), 24 vectors of sums.
#include "instruction_sets.h"
#include "maxima_avx512.h"
#include "vector_scorer.h"
#include "widening.h"

namespace {

struct Float32Avx512 : Float32Maxima, WidenedMaps {
  using Element = float;
  static constexpr int kRows = 8, kPanels = 3, kLanes = 16, kGroup = 1, kPanelTail = 0;

  static void write_panel_tail(Element*, const Element*, int64_t) {}

  // sum += value · column. Assembly: from intrinsics, GCC keeps sums on the stack although 32 registers hold them all.
  static void multiply_add(__m512& sum, __m512 value, __m512 column) {
    asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(value), "v"(column));
  }

  template <int count>
  static void multiply(const float* rows, int64_t row_elements, const float* panels, int64_t steps,
                       Sums (&sums)[kRows][count]) {
#pragma GCC unroll 8
    for (auto& row : sums)
      for (auto& sum : row) sum = zero();
    for (int64_t step = 0; step < steps; step++) {
      __m512 columns[count];
#pragma GCC unroll 3
      for (int p = 0; p < count; p++) columns[p] = _mm512_load_ps(panels + (step * count + p) * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) {
        const __m512 value = _mm512_set1_ps(rows[r * row_elements + step]);
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

constexpr Kernel kFloat32Avx512 = kernel_of<VectorScorer<Float32Avx512>>("avx512", has_avx512, Float32Avx512::takes);
