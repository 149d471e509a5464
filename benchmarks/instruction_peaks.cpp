// How many product instructions a second a core can issue when their numbers are in registers already.
//
// Fourteen chains of sums, none waiting for another: two instructions a cycle of latency four need eight.
#include <cstdint>

#define CHAINS(instruction, r, a, b) \
  instruction " %%" r a ", %%" r b ", %%" r "0\n\t" instruction " %%" r a ", %%" r b ", %%" r "1\n\t" \
  instruction " %%" r a ", %%" r b ", %%" r "2\n\t" instruction " %%" r a ", %%" r b ", %%" r "3\n\t" \
  instruction " %%" r a ", %%" r b ", %%" r "4\n\t" instruction " %%" r a ", %%" r b ", %%" r "5\n\t" \
  instruction " %%" r a ", %%" r b ", %%" r "6\n\t" instruction " %%" r a ", %%" r b ", %%" r "7\n\t" \
  instruction " %%" r a ", %%" r b ", %%" r "8\n\t" instruction " %%" r a ", %%" r b ", %%" r "9\n\t" \
  instruction " %%" r a ", %%" r b ", %%" r "10\n\t" instruction " %%" r a ", %%" r b ", %%" r "11\n\t" \
  instruction " %%" r a ", %%" r b ", %%" r "12\n\t" instruction " %%" r a ", %%" r b ", %%" r "13\n\t"

// `rounds` times fourteen instructions. All registers begin at 0, so that no sum is slow for being denormal.
#define PEAK(name, instruction, r)                                                                             \
  extern "C" void name(int64_t rounds) {                                                                       \
    asm volatile("vzeroall" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                                        \
    for (int64_t i = 0; i < rounds; i++)                                                                       \
      asm volatile(CHAINS(instruction, r, "14", "15")::                                                        \
                       : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",       \
                         "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                                \
    asm volatile("vzeroupper");                                                                                \
  }

PEAK(avx2, "vfmadd231ps", "ymm")
PEAK(avx512, "vfmadd231ps", "zmm")
PEAK(avx512_bf16, "vdpbf16ps", "zmm")
PEAK(avx512_vnni, "vpdpbusd", "zmm")
