// Scores maps with AMX: tiles multiply while vectors take the maxima of what was multiplied before.
//
// A *strip* is 32 gallery locations × `panels` panels of 16 query locations. It is computed as squares of 2 × 2 tiles
// of sums (tiles 0 to 3), whose operands are tiles 4, 5 (gallery locations as they lie) and 6, 7 (packed query). Three
// things keep the tile unit busy: a square is stored between the first multiplications of the next one, the maxima of a
// strip are taken while the next strip is multiplied, and the next block of maps is fetched through all of it.
#pragma once

#include "maxima_avx512.h"
#include "padding.h"
#include "tile_operations.h"

namespace {

constexpr int kTileRows = 16, kTileBytes = 1024, kStripRows = 2 * kTileRows;
constexpr int kTileSums = kTileRows * 16;

// What multiplies a strip: gallery locations, panels of the query, and where the strip's maxima belong.
struct Strip {
  const std::byte* rows;
  const std::byte* next_rows;  // of the strip behind it, to be fetched; any address
  const std::byte* panels;
  float* row_maxima;     // [32]
  float* column_maxima;  // [panels · 16]
};

// Maps that are fetched into the second-level cache, some lines of 64 bytes with every step.
struct Prefetch {
  const std::byte* maps[kMapsPerBlock] = {};
  int64_t map_count = 0, map_bytes = 0, lines_per_step = 0;
  int64_t map = 0, offset = 0;  // of the next line

  void step() {
    for (int64_t line = 0; line < lines_per_step && map < map_count; line++) {
      _mm_prefetch(reinterpret_cast<const char*>(maps[map] + offset), _MM_HINT_T1);
      offset += 64;
      if (offset < map_bytes) continue;
      offset = 0;
      map++;
    }
  }
};

template <class Product, int panels>
class StripPipeline {
  static constexpr int kSquares = panels / 2, kLinesPerStep = (kStripRows + kSquares - 1) / kSquares;
  static_assert(panels % 2 == 0 && panels >= 4, "maxima need a step behind the stores");

 public:
  static constexpr int kBufferFloats = 2 * 2 * panels * kTileSums;

  // `buffer` has kBufferFloats; a row of a map has `row_bytes`, 64 for each of `steps` multiplications.
  StripPipeline(float* buffer, int64_t row_bytes, Prefetch& prefetch)
      : current_(buffer),
        previous_(buffer + kBufferFloats / 2),
        row_bytes_(row_bytes),
        steps_(row_bytes / 64),
        rows_per_step_((kStripRows + kSquares * steps_ - 2) / (kSquares * steps_ - 1)),
        prefetch_(prefetch) {}

  void push(const Strip& strip) {
    if (has_previous_)
      multiply<true>(strip);
    else
      multiply<false>(strip);
    has_previous_ = true;
    maxima_of_ = strip;
    float* filled = current_;
    current_ = previous_;
    previous_ = filled;
  }

  // The last strip's maxima; the pipeline is empty afterwards.
  void drain() {
    if (!has_previous_) return;
    store_square(previous_ + (kSquares - 1) * 2 * kTileSums);
    __m512 columns[panels];
    load_columns(columns);
    take_maxima(0, kStripRows, columns);
    finish_maxima(columns);
    has_previous_ = false;
  }

 private:
  template <bool has_previous>
  void multiply(const Strip& strip) {
    __m512 columns[panels];
    if (has_previous) load_columns(columns);
    int64_t rows_done = 0;
#pragma GCC unroll 3
    for (int square = 0; square < kSquares; square++) {
      const std::byte* panel = strip.panels + 2 * square * steps_ * kTileBytes;
      for (int64_t step = 0; step < steps_; step++) {
        load_tile<4>(strip.rows + step * 64, row_bytes_);
        load_tile<6>(panel + step * kTileBytes, 64);
        load_tile<7>(panel + (steps_ + step) * kTileBytes, 64);
        load_tile<5>(strip.rows + kTileRows * row_bytes_ + step * 64, row_bytes_);
        if (step > 0)
          multiply_square();
        else if (square > 0)
          begin_square<true>(current_ + (square - 1) * 2 * kTileSums);
        else
          begin_square<has_previous>(previous_ + (kSquares - 1) * 2 * kTileSums);
        if (has_previous && (square > 0 || step > 0)) {
          const int64_t rows_due = rows_done + rows_per_step_ < kStripRows ? rows_done + rows_per_step_ : kStripRows;
          take_maxima(rows_done, rows_due, columns);
          rows_done = rows_due;
        }
        fetch_rows(strip.next_rows + (square * steps_ + step) * kLinesPerStep * 64);
        prefetch_.step();
      }
    }
    if (has_previous) finish_maxima(columns);
  }

  static void multiply_square() {
    Product::template multiply<0, 4, 6>();
    Product::template multiply<1, 4, 7>();
    Product::template multiply<2, 5, 6>();
    Product::template multiply<3, 5, 7>();
  }

  // The first multiplications of a square, each right behind the store of what its tile held.
  template <bool stores>
  static void begin_square(float* finished) {
    if (stores) store_tile<0>(finished, 64);
    Product::template begin<0>();
    Product::template multiply<0, 4, 6>();
    if (stores) store_tile<1>(finished + kTileSums, 64);
    Product::template begin<1>();
    Product::template multiply<1, 4, 7>();
    if (stores) store_tile<2>(finished + panels * kTileSums, 64);
    Product::template begin<2>();
    Product::template multiply<2, 5, 6>();
    if (stores) store_tile<3>(finished + (panels + 1) * kTileSums, 64);
    Product::template begin<3>();
    Product::template multiply<3, 5, 7>();
  }

  static void store_square(float* finished) {
    store_tile<0>(finished, 64);
    store_tile<1>(finished + kTileSums, 64);
    store_tile<2>(finished + panels * kTileSums, 64);
    store_tile<3>(finished + (panels + 1) * kTileSums, 64);
  }

  // Of the previous strip, rows [from, to): its sums lie as [2][panels][16][16].
  void take_maxima(int64_t from, int64_t to, __m512 (&columns)[panels]) {
    for (int64_t row = from; row < to; row++) {
      const float* sums = previous_ + row / kTileRows * panels * kTileSums + row % kTileRows * 16;
      __m512 best = _mm512_load_ps(sums);
      columns[0] = _mm512_max_ps(columns[0], best);
#pragma GCC unroll 5
      for (int panel = 1; panel < panels; panel++) {
        const __m512 next = _mm512_load_ps(sums + panel * kTileSums);
        columns[panel] = _mm512_max_ps(columns[panel], next);
        best = _mm512_max_ps(best, next);
      }
      row_vectors_[row] = best;
    }
  }

  void load_columns(__m512 (&columns)[panels]) const {
#pragma GCC unroll 6
    for (int panel = 0; panel < panels; panel++) columns[panel] = _mm512_load_ps(maxima_of_.column_maxima + 16 * panel);
  }

  void finish_maxima(const __m512 (&columns)[panels]) const {
#pragma GCC unroll 6
    for (int panel = 0; panel < panels; panel++) _mm512_store_ps(maxima_of_.column_maxima + 16 * panel, columns[panel]);
    for (int half = 0; half < 2; half++) {
      float* maxima = maxima_of_.row_maxima + 16 * half;
      const __m512 found = reduce_sixteen<Float32Maxima>(row_vectors_ + 16 * half);
      _mm512_store_ps(maxima, _mm512_max_ps(_mm512_load_ps(maxima), found));
    }
  }

  // A step's share of the next strip, for the first-level cache.
  static void fetch_rows(const std::byte* rows) {
#pragma GCC unroll 16
    for (int line = 0; line < kLinesPerStep; line++)
      _mm_prefetch(reinterpret_cast<const char*>(rows + line * 64), _MM_HINT_T0);
  }

  float* current_;
  float* previous_;
  int64_t row_bytes_, steps_;
  int64_t rows_per_step_;  // whose maxima are taken, in all steps but the first
  Prefetch& prefetch_;
  bool has_previous_ = false;
  Strip maxima_of_{};
  __m512 row_vectors_[kStripRows];
};

}  // namespace
