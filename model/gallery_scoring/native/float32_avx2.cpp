// Float32 products with AVX2 and FMA: 4 gallery locations × 24 query locations (3 vectors of 8), 12 vectors of sums.
#include "instruction_sets.h"
#include "vector_scorer.h"
#include "widening.h"

namespace {

struct Float32Avx2 : WidenedMaps {
  using Element = float;
  using Sums = __m256;
  static constexpr int kRows = 4, kPanels = 3, kLanes = 8, kGroup = 1, kPanelTail = 0;

  static void write_panel_tail(Element*, const Element*, int64_t) {}

  static Sums zero() { return _mm256_setzero_ps(); }
  static Sums lowest() { return _mm256_set1_ps(-__builtin_inff()); }
  static Sums maximum(Sums a, Sums b) { return _mm256_max_ps(a, b); }

  // Assembly, both: from intrinsics, GCC reads a column from memory for each of its four products.
  static __m256 load_column(const float* column) {
    __m256 loaded;
    asm("vmovaps %1, %0" : "=x"(loaded) : "m"(*reinterpret_cast<const __m256*>(column)));
    return loaded;
  }

  // sum += value · column.
  static void multiply_add(__m256& sum, __m256 value, __m256 column) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(value), "x"(column));
  }

  template <int count>
  static void multiply(const float* rows, int64_t row_elements, const float* panels, int64_t steps,
                       Sums (&sums)[kRows][count]) {
#pragma GCC unroll 4
    for (auto& row : sums)
      for (auto& sum : row) sum = zero();
    for (int64_t step = 0; step < steps; step++) {
      __m256 columns[count];
#pragma GCC unroll 3
      for (int p = 0; p < count; p++) columns[p] = load_column(panels + (step * count + p) * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; r++) {
        const __m256 value = _mm256_set1_ps(rows[r * row_elements + step]);
#pragma GCC unroll 3
        for (int p = 0; p < count; p++) multiply_add(sums[r][p], value, columns[p]);
      }
    }
  }

  // Eight vectors to one: lane i is the largest lane of vector i.
  static Sums reduce_rows(const Sums* vectors) {
    Sums four[4], two[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      four[i] = maximum(_mm256_permute2f128_ps(vectors[i], vectors[i + 4], 0x20),
                        _mm256_permute2f128_ps(vectors[i], vectors[i + 4], 0x31));
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
      two[i] = maximum(_mm256_unpacklo_ps(four[i], four[i + 2]), _mm256_unpackhi_ps(four[i], four[i + 2]));
    return maximum(_mm256_unpacklo_ps(two[0], two[1]), _mm256_unpackhi_ps(two[0], two[1]));
  }

  static float weigh(const Sums* maxima, const float* weights, int64_t vectors) {
    Sums sum = zero();
    for (int64_t i = 0; i < vectors; i++) sum = _mm256_fmadd_ps(maxima[i], _mm256_load_ps(weights + 8 * i), sum);
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, sum);
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
  }
};

}  // namespace

constexpr Kernel kFloat32Avx2 = kernel_of<VectorScorer<Float32Avx2>>("avx2", has_avx2, Float32Avx2::takes);
