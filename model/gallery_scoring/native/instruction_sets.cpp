#include "instruction_sets.h"

#include <cpuid.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

// Of EDX in leaf 7 of CPUID.
constexpr unsigned kAmxBfloat16 = 1U << 22, kAmxTile = 1U << 24, kAmxInt8 = 1U << 25;

// Whether the processor has tiles and a product of them, and the system lets this process use them: Linux wants to be
// asked, once for all threads.
[[maybe_unused]] bool has_amx(unsigned product) {
#ifdef __linux__
  unsigned eax, ebx, ecx, edx;
  if (!has_avx512() || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  if ((edx & kAmxTile) == 0 || (edx & product) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  (void)product;
  return false;
#endif
}

}  // namespace

// F16C is in every processor with AVX2.
bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

#ifdef QACONV_EMULATE_TILES
bool has_amx_bf16() { return has_avx512(); }

bool has_amx_int8() { return has_avx512(); }
#else
// Asked once: CPUID leaves a virtual machine, which takes as long as some pairs.
bool has_amx_bf16() {
  static const bool has = has_amx(kAmxBfloat16);
  return has;
}

bool has_amx_int8() {
  static const bool has = has_amx(kAmxInt8);
  return has;
}
#endif
