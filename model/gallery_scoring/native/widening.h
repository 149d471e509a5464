// Maps of any format as float32: a kernel of float32 scores them all. Needs AVX2 and F16C.
#pragma once

#include <immintrin.h>

#include "padding.h"

namespace {

inline __m256 widen_eight(const std::byte* values, Format format) {
  const auto* halves = reinterpret_cast<const __m128i_u*>(values);
  switch (format) {
    case kFloat32:
      return _mm256_loadu_ps(reinterpret_cast<const float*>(values));
    case kFloat16:
      return _mm256_cvtph_ps(_mm_loadu_si128(halves));
    case kBfloat16:
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(halves)), 16));
    default:
      return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadu_si64(values)));
  }
}

inline int64_t bytes_of(Format format) { return format == kFloat32 ? 4 : format == kInt8 ? 1 : 2; }

inline void widen_row(float* target, const std::byte* values, int64_t count, Format format) {
  const int64_t element_bytes = bytes_of(format);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(target + i, widen_eight(values + i * element_bytes, format));
  if (i == count) return;
  alignas(32) std::byte last[8 * sizeof(float)] = {};
  alignas(32) float widened[8];
  std::memcpy(last, values + i * element_bytes, static_cast<size_t>((count - i) * element_bytes));
  _mm256_store_ps(widened, widen_eight(last, format));
  std::memcpy(target + i, widened, static_cast<size_t>(count - i) * sizeof(float));
}

// What a microkernel of float32 reads: [rows][row_elements], where a row has every channel and no more.
struct WidenedMaps {
  static bool takes(Format, int64_t) { return true; }

  static bool reads_in_place(const ScoringCall& call, bool has_whole_rows) {
    return call.format == kFloat32 && has_whole_rows;
  }

  static void read_gallery_map(float* rows, int64_t row_count, int64_t, const ScoringCall& call, int64_t index) {
    widen(rows, row_count, call.gallery_maps, call, index);
  }

  static void read_query(float* rows, int64_t row_count, int64_t, const ScoringCall& call, int64_t index) {
    widen(rows, row_count, call.query_maps, call, index);
  }

 private:
  static void widen(float* rows, int64_t row_count, const void* maps, const ScoringCall& call, int64_t index) {
    const int64_t row_bytes = call.channels * bytes_of(call.format);
    const std::byte* map = map_at(maps, index, call, bytes_of(call.format));
    for (int64_t row = 0; row < row_count; row++)
      widen_row(rows + row * call.channels, map + (row < call.locations ? row : 0) * row_bytes, call.channels,
                call.format);
  }
};

}  // namespace
