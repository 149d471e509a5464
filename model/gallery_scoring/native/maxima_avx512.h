// What the kernels with 512-bit vectors have in common: maxima of float32 and int32, and their weighted sum.
#pragma once

#include <immintrin.h>

#include "scoring_call.h"

namespace {

struct Float32Maxima {
  using Sums = __m512;
  static Sums zero() { return _mm512_setzero_ps(); }
  static Sums lowest() { return _mm512_set1_ps(-__builtin_inff()); }
  static Sums maximum(Sums a, Sums b) { return _mm512_max_ps(a, b); }
  static __m512 value(Sums sums) { return sums; }
};

struct Int32Maxima {
  using Sums = __m512i;
  static Sums zero() { return _mm512_setzero_si512(); }
  static Sums lowest() { return _mm512_set1_epi32(INT32_MIN); }
  static Sums maximum(Sums a, Sums b) { return _mm512_max_epi32(a, b); }
  static __m512 value(Sums sums) { return _mm512_cvtepi32_ps(sums); }
};

// Quarters of 128 bits, chosen from two vectors: the low halves of both, or their high halves, and so on.
template <int choice, class Sums>
inline Sums choose_quarters(Sums a, Sums b) {
  return (Sums)_mm512_shuffle_f32x4((__m512)a, (__m512)b, choice);
}

// The same within every quarter: two lanes of `a`, then two of `b`.
template <int choice, class Sums>
inline Sums choose_lanes(Sums a, Sums b) {
  return (Sums)_mm512_shuffle_ps((__m512)a, (__m512)b, choice);
}

// Sixteen vectors to one: lane i is the largest lane of vector i. Each of four steps halves vectors by folding pairs.
template <class Maxima>
inline typename Maxima::Sums reduce_sixteen(const typename Maxima::Sums* vectors) {
  using Sums = typename Maxima::Sums;
  Sums eight[8], four[4], two[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    eight[i] = Maxima::maximum(choose_quarters<0x44>(vectors[i], vectors[i + 8]),
                               choose_quarters<0xEE>(vectors[i], vectors[i + 8]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    four[i] =
        Maxima::maximum(choose_quarters<0x88>(eight[i], eight[i + 4]), choose_quarters<0xDD>(eight[i], eight[i + 4]));
  // The quarters of four[i] now hold what is left of vectors i, i + 8, i + 4, i + 12.
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++)
    two[i] = Maxima::maximum(choose_lanes<0x44>(four[i], four[i + 2]), choose_lanes<0xEE>(four[i], four[i + 2]));
  const Sums one = Maxima::maximum(choose_lanes<0x88>(two[0], two[1]), choose_lanes<0xDD>(two[0], two[1]));
  const __m512i order = _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
  return (Sums)_mm512_permutexvar_epi32(order, (__m512i)one);
}

template <class Maxima>
inline float weigh_maxima(const typename Maxima::Sums* maxima, const float* weights, int64_t vectors) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < vectors; i++)
    sum = _mm512_fmadd_ps(Maxima::value(maxima[i]), _mm512_load_ps(weights + 16 * i), sum);
  return _mm512_reduce_add_ps(sum);
}

}  // namespace
