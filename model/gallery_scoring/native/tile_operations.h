// The eight tile registers of AMX, 16 rows of 64 bytes each, and what can be done with them.
//
// With QACONV_EMULATE_TILES the same operations are loops over memory, so that the order of tiles, packing and maxima
// is tested on every machine with AVX-512. Inline assembly and not the compiler's intrinsics: those take numbers of
// tiles as literals only, and some compilers drop the configuration because they see only its first bytes used.
#pragma once

#include "scoring_call.h"

#ifdef QACONV_EMULATE_TILES

#include <cstring>

namespace {

thread_local std::byte emulated_tiles[8][16][64];

inline void configure_tiles() {}
inline void release_tiles() {}

template <int tile>
void zero_tile() {
  std::memset(emulated_tiles[tile], 0, sizeof(emulated_tiles[tile]));
}

template <int tile>
void load_tile(const void* rows, int64_t row_bytes) {
  for (int row = 0; row < 16; row++)
    std::memcpy(emulated_tiles[tile][row], static_cast<const std::byte*>(rows) + row * row_bytes, 64);
}

template <int tile>
void store_tile(void* rows, int64_t row_bytes) {
  for (int row = 0; row < 16; row++)
    std::memcpy(static_cast<std::byte*>(rows) + row * row_bytes, emulated_tiles[tile][row], 64);
}

// sums[row][column] += Σ over the groups of 4 bytes of a row: left[row][group] · right[group][column].
template <int sums, int left, int right, class Sum, class Dot>
void multiply_emulated(Dot dot) {
  for (int row = 0; row < 16; row++)
    for (int column = 0; column < 16; column++) {
      Sum sum;
      std::memcpy(&sum, emulated_tiles[sums][row] + 4 * column, sizeof(sum));
      for (int group = 0; group < 16; group++)
        sum += dot(emulated_tiles[left][row] + 4 * group, emulated_tiles[right][group] + 4 * column);
      std::memcpy(emulated_tiles[sums][row] + 4 * column, &sum, sizeof(sum));
    }
}

inline float bfloat16_at(const std::byte* place) {
  uint32_t bits = (static_cast<uint32_t>(place[0]) | static_cast<uint32_t>(place[1]) << 8) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

template <int sums, int left, int right>
void multiply_bfloat16_tiles() {
  multiply_emulated<sums, left, right, float>([](const std::byte* a, const std::byte* b) {
    return bfloat16_at(a) * bfloat16_at(b) + bfloat16_at(a + 2) * bfloat16_at(b + 2);
  });
}

template <int sums, int left, int right>
void multiply_int8_tiles() {
  multiply_emulated<sums, left, right, int32_t>([](const std::byte* a, const std::byte* b) {
    int32_t sum = 0;
    for (int i = 0; i < 4; i++) sum += static_cast<int8_t>(a[i]) * static_cast<int8_t>(b[i]);
    return sum;
  });
}

}  // namespace

#else

namespace {

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfiguration) == 64);

// Of the calling thread, as long as it is not released.
inline void configure_tiles() {
  const TileConfiguration configuration;
  asm volatile("ldtilecfg %0" ::"m"(configuration));
}

inline void release_tiles() { asm volatile("tilerelease"); }

template <int tile>
void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(tile));
}

template <int tile>
void load_tile(const void* rows, int64_t row_bytes) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(tile), "r"(rows), "r"(row_bytes) : "memory");
}

template <int tile>
void store_tile(void* rows, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(tile), "r"(rows), "r"(row_bytes) : "memory");
}

template <int sums, int left, int right>
void multiply_bfloat16_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(left), "i"(right));
}

template <int sums, int left, int right>
void multiply_int8_tiles() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(left), "i"(right));
}

}  // namespace

#endif
