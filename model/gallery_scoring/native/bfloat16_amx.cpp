// Bfloat16 products with AMX: a tile of 16 gallery locations × 32 channels times one of 32 channels × 16 query
// locations gives 16 × 16 float32 sums; 2 × 2 of those at once, in strips of 32 × 64 locations.
#include "instruction_sets.h"
#include "tile_scorer.h"

namespace {

struct Bfloat16Product {
  using Element = uint16_t;
  static constexpr bool kPrefersWideStrips = false;  // its sums would take 24 KiB of the first-level cache

  template <int sums>
  static void begin() {
    zero_tile<sums>();
  }

  template <int sums, int left, int right>
  static void multiply() {
    multiply_bfloat16_tiles<sums, left, right>();
  }

  static float weigh(const float* maxima, const float* weights, int64_t count) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; i += 16)
      sum = _mm512_fmadd_ps(_mm512_load_ps(maxima + i), _mm512_load_ps(weights + i), sum);
    return _mm512_reduce_add_ps(sum);
  }
};

bool takes(Format format, int64_t) { return format == kBfloat16; }

using Scorer = TileScorer<Bfloat16Product>;

}  // namespace

constexpr Kernel kBfloat16Amx = kernel_of<Scorer>("amx_bf16", has_amx_bf16, takes, configure_tiles, release_tiles);
