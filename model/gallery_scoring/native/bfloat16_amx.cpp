// Bfloat16 products with AMX: a tile of 16 gallery locations × 32 channels times one of 32 channels × 16 query
// locations gives 16 × 16 float32 sums; 2 × 2 of those at once, in strips of 32 × 64 locations.
#include "tile_maps.h"

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

bool runs_here() {
  constexpr int kBfloat16Bit = 22;  // of EDX in leaf 7 of CPUID
  return __builtin_cpu_supports("avx512f") && can_use_tiles(kBfloat16Bit);
}

bool takes(Format format, int64_t) { return format == kBfloat16; }

using Scorer = TileScorer<Bfloat16Product>;

}  // namespace

const Kernel kBfloat16Amx = kernel_of<Scorer>("amx_bf16", runs_here, takes, configure_tiles, release_tiles);
