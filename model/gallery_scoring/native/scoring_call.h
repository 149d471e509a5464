// One call of the C interface, and what a kernel is made of.
#pragma once

#include <cstddef>
#include <cstdint>

// Number formats in which maps are stored. Python passes these numbers.
enum Format : int32_t { kFloat32 = 0, kFloat16 = 1, kBfloat16 = 2, kInt8 = 3 };

// Maps lie position-major, [count][locations][channels] without gaps, at any address that suits their elements.
// A map of int8 is its values times its scale. Locations and channels are 1 or more.
struct ScoringCall {
  const void* query_maps;
  const void* gallery_maps;
  const float* query_scales;     // [query_count]; null unless the maps are int8
  const float* gallery_scales;   // one for each gallery map; likewise
  const int64_t* gallery_rows;   // [gallery_count], which gallery maps are scored; null for the first ones in order
  const float* query_weights;    // [locations], of the folded head
  const float* gallery_weights;  // [locations]
  float* logits;                 // [query_count][gallery_count]
  int64_t query_count;
  int64_t gallery_count;
  int64_t locations;
  int64_t channels;
  float bias;
  Format format;
};

// Gallery maps that one thread holds in its second-level cache while it scores all queries against them. Four
// was the choice of a prototype on a machine with AMX; without AMX the number makes no difference.
constexpr int64_t kMapsPerBlock = 4;

// A way to score on some processors. Buffers lie on 64 bytes; every thread has a workspace of its own.
struct Kernel {
  const char* name;
  bool (*runs_here)();
  bool (*takes)(Format, int64_t channels);
  size_t (*packed_bytes)(const ScoringCall&);
  size_t (*workspace_bytes)(const ScoringCall&);
  // Brings queries and weights into the kernel's own order; the first to write into `packed`.
  void (*pack)(const ScoringCall&, std::byte* packed, std::byte* workspace);
  // The logits of all queries in `count` columns from `first` on, at most kMapsPerBlock. The caller's next block begins
  // behind them and has `following` columns.
  void (*score_block)(const ScoringCall&, const std::byte* packed, std::byte* workspace, int64_t first, int64_t count,
                      int64_t following);
  // Around all blocks of a thread; null where the processor needs no preparation.
  void (*begin_thread)();
  void (*end_thread)();
};

extern const Kernel kFloat32Avx2, kFloat32Avx512, kBfloat16Avx512, kInt8Avx512, kBfloat16Amx, kInt8Amx;
