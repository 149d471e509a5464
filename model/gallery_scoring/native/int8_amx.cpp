// Int8 products with AMX: a tile of 16 gallery locations × 64 channels times one of 64 channels × 16 query locations
// gives 16 × 16 int32 sums; 2 × 2 of those at once, in strips of 32 × 96 locations, or 32 × 64.
//
// Sums begin at the bits of 1.5 · 2^23 as float32, whose last place is 1: as floats they are that number plus the sum,
// and the maximum of floats, of which the processor computes more at once than of integers, orders them. They are exact
// as far as 2^22 to either side: 256 channels of any int8.
#include "instruction_sets.h"
#include "tile_scorer.h"

namespace {

constexpr float kOffset = 12582912.0F;
constexpr int64_t kLargestSum = int64_t{1} << 22;

struct OffsetTile {
  alignas(64) float sums[kTileSums];

  constexpr OffsetTile() : sums() {
    for (float& sum : sums) sum = kOffset;
  }
};
constexpr OffsetTile kOffsetTile;

struct Int8Product {
  using Element = int8_t;
  static constexpr bool kPrefersWideStrips = true;

  template <int sums>
  static void begin() {
    load_tile<sums>(kOffsetTile.sums, 64);
  }

  template <int sums, int left, int right>
  static void multiply() {
    multiply_int8_tiles<sums, left, right>();
  }

  static float weigh(const float* maxima, const float* weights, int64_t count) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < count; i += 16) {
      const __m512 maximum = _mm512_sub_ps(_mm512_load_ps(maxima + i), _mm512_set1_ps(kOffset));
      sum = _mm512_fmadd_ps(maximum, _mm512_load_ps(weights + i), sum);
    }
    return _mm512_reduce_add_ps(sum);
  }
};

bool takes(Format format, int64_t channels) { return format == kInt8 && channels * 128 * 128 <= kLargestSum; }

using Scorer = TileScorer<Int8Product>;

}  // namespace

constexpr Kernel kInt8Amx = kernel_of<Scorer>("amx_int8", has_amx_int8, takes, configure_tiles, release_tiles);
