// The C interface: which kernels there are, and a call that divides a gallery among threads.
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "scoring_call.h"

namespace {

// For every format the first one that takes it and runs here is the fastest.
const Kernel* const kKernels[] = {&kInt8Amx,        &kInt8Avx512,    &kBfloat16Amx,
                                  &kBfloat16Avx512, &kFloat32Avx512, &kFloat32Avx2};
constexpr int32_t kKernelCount = sizeof(kKernels) / sizeof(kKernels[0]);

constexpr int32_t kInterfaceVersion = 2;

enum Outcome : int32_t { kScored = 0, kNoSuchKernel = 1, kOutOfMemory = 2 };

struct Free {
  void operator()(std::byte* buffer) const { std::free(buffer); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Buffer allocate(size_t bytes) {
  const size_t whole_lines = (bytes + 63) / 64 * 64;
  return Buffer(static_cast<std::byte*>(std::aligned_alloc(64, whole_lines > 0 ? whole_lines : 64)));
}

// A thread takes this many blocks at a time, or fewer of a small gallery: neighbours, so that one can be fetched while
// the one before is scored.
constexpr int64_t kBlocksPerStretch = 16;

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// One thread's share: stretches as long as there are any. Every pair is computed by itself, so by whom does not matter.
void score_stretches(const Kernel& kernel, const ScoringCall& call, const std::byte* packed, std::byte* workspace,
                     int64_t stretch, std::atomic<int64_t>& next) {
  if (kernel.begin_thread != nullptr) kernel.begin_thread();
  for (int64_t begin; (begin = next.fetch_add(stretch)) < call.gallery_count;) {
    const int64_t end = smaller(begin + stretch, call.gallery_count);
    for (int64_t first = begin; first < end; first += kMapsPerBlock) {
      const int64_t count = smaller(kMapsPerBlock, end - first);
      kernel.score_block(call, packed, workspace, first, count, smaller(kMapsPerBlock, end - first - count));
    }
  }
  if (kernel.end_thread != nullptr) kernel.end_thread();
}

void score_in_threads(const Kernel& kernel, const ScoringCall& call, const std::byte* packed,
                      const std::vector<Buffer>& workspaces) {
  const auto count = static_cast<int64_t>(workspaces.size());
  const int64_t fair_blocks = (call.gallery_count + count * kMapsPerBlock - 1) / (count * kMapsPerBlock);
  const int64_t stretch = smaller(kBlocksPerStretch, fair_blocks) * kMapsPerBlock;
  std::atomic<int64_t> next{0};
  std::vector<std::thread> threads;
  threads.reserve(workspaces.size());
  for (size_t i = 1; i < workspaces.size(); i++) {
    try {
      threads.emplace_back([&, i] { score_stretches(kernel, call, packed, workspaces[i].get(), stretch, next); });
    } catch (const std::exception&) {
      break;  // no more threads, or no memory for one; those that run share all of it
    }
  }
  score_stretches(kernel, call, packed, workspaces[0].get(), stretch, next);
  for (std::thread& thread : threads) thread.join();
}

Outcome score(const Kernel& kernel, const ScoringCall& call, int32_t thread_count) {
  const int64_t blocks = (call.gallery_count + kMapsPerBlock - 1) / kMapsPerBlock;
  const Buffer packed = allocate(kernel.packed_bytes(call));
  if (packed == nullptr) return kOutOfMemory;
  std::vector<Buffer> workspaces;
  for (int64_t i = 0; i < thread_count && (i == 0 || i < blocks); i++) {
    workspaces.push_back(allocate(kernel.workspace_bytes(call)));
    if (workspaces.back() == nullptr) return kOutOfMemory;
  }
  kernel.pack(call, packed.get(), workspaces[0].get());
  score_in_threads(kernel, call, packed.get(), workspaces);
  return kScored;
}

bool exists(int32_t kernel) { return kernel >= 0 && kernel < kKernelCount; }

}  // namespace

#define QACONV_EXPORT __attribute__((visibility("default")))

extern "C" {

QACONV_EXPORT int32_t qaconv_interface_version() { return kInterfaceVersion; }

QACONV_EXPORT int32_t qaconv_kernel_count() { return kKernelCount; }

QACONV_EXPORT const char* qaconv_kernel_name(int32_t kernel) {
  return exists(kernel) ? kKernels[kernel]->name : nullptr;
}

QACONV_EXPORT int32_t qaconv_kernel_runs_here(int32_t kernel) {
  return exists(kernel) && kKernels[kernel]->runs_here() ? 1 : 0;
}

QACONV_EXPORT int32_t qaconv_kernel_takes(int32_t kernel, int32_t format, int64_t channels) {
  return qaconv_kernel_runs_here(kernel) != 0 && kKernels[kernel]->takes(static_cast<Format>(format), channels) ? 1 : 0;
}

QACONV_EXPORT int32_t qaconv_score(int32_t kernel, const ScoringCall* call, int32_t thread_count) {
  if (!exists(kernel) || !kKernels[kernel]->runs_here() || !kKernels[kernel]->takes(call->format, call->channels))
    return kNoSuchKernel;
  if (call->query_count == 0 || call->gallery_count == 0) return kScored;
  try {
    return score(*kKernels[kernel], *call, thread_count);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

}  // extern "C"
