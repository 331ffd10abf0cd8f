// Vectors of the instruction set this file is compiled for: 16 floats with AVX-512, 8 with AVX2,
// 4 with NEON or without anything.
//
// Arithmetic is that of the compiler's vector types; what they lack (fused multiply-add, 16-bit
// floats) is here. See kernels.h for why everything is in an unnamed namespace.
#pragma once

#include <stdint.h>

#if defined(__AVX2__)
// GCC 12 takes the "undefined" operands of its own AVX-512 intrinsics for uninitialized variables.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#else
#include "tensor/dtype.h"  // compiled for the baseline here, so sharing it is safe
#endif

namespace pagoda::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

typedef float V __attribute__((vector_size(kLanes * 4)));
typedef int32_t VInt __attribute__((vector_size(kLanes * 4)));
typedef uint32_t VBits __attribute__((vector_size(kLanes * 4)));
typedef uint16_t VShort __attribute__((vector_size(kLanes * 2)));

// 16-bit floats in memory.
struct Bf16 {
  uint16_t bits;
};
struct Half {
  uint16_t bits;
};

// (`V{} + x` would add: -0 + 0 is not -0.)
inline V splat(float x) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(x);
#elif defined(__AVX2__)
  return _mm256_set1_ps(x);
#else
  return V{x, x, x, x};
#endif
}

inline V fused_multiply_add(V a, V b, V c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__ARM_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

inline V larger(V a, V b) {
  return a > b ? a : b;
}

inline V load(const float* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline V load(const Bf16* p) {
#if defined(__AVX512F__)
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
#elif defined(__AVX2__)
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
#else
  VShort bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return reinterpret_cast<V>(__builtin_convertvector(bits, VBits) << 16);
#endif
}

inline V load(const Half* p) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__AVX2__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__ARM_NEON)
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(&p->bits)));
#else
  V v;
  for (int i = 0; i < kLanes; ++i) v[i] = to_float(Float16{p[i].bits});
  return v;
#endif
}

inline void store(float* p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// Round to nearest, ties to even; NaN stays NaN.
inline void store(Bf16* p, V v) {
  const VBits bits = reinterpret_cast<VBits>(v);
  const VBits rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const VBits result = v != v ? bits >> 16 | 0x40u : rounded;
  const VShort low = __builtin_convertvector(result, VShort);
  __builtin_memcpy(p, &low, sizeof low);
}

inline void store(Half* p, V v) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__ARM_NEON)
  vst1_u16(&p->bits, vreinterpret_u16_f16(vcvt_f16_f32(v)));
#else
  for (int i = 0; i < kLanes; ++i) p[i].bits = from_float<Float16>(v[i]).bits;
#endif
}

// The first n numbers, zeros behind them. n may be anything.
template <class T>
inline V load_first(const T* p, int64_t n) {
  if (n >= kLanes) return load(p);
  T padded[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) padded[i] = p[i];
  return load(padded);
}

template <class T>
inline void store_first(T* p, V v, int64_t n) {
  if (n >= kLanes) {
    store(p, v);
    return;
  }
  T padded[kLanes];
  store(padded, v);
  for (int64_t i = 0; i < n; ++i) p[i] = padded[i];
}

// As if stored as T and read again.
template <class T>
inline V rounded_to(V v) {
  T stored[kLanes];
  store(stored, v);
  return load(stored);
}
template <>
inline V rounded_to<float>(V v) {
  return v;
}

// In the order of a binary tree: lane i + lane i + width / 2.
inline float sum_of_lanes(V v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(v);
#else
  float lanes[kLanes];
  store(lanes, v);
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
#endif
}

inline float largest_lane(V v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(v);
#else
  float largest = v[0];
  for (int i = 1; i < kLanes; ++i) largest = v[i] > largest ? v[i] : largest;
  return largest;
#endif
}

// e^x within 1.5 units in the last place for -87.3 <= x <= 88.3; 0 below, 2.3e38 above.
// x = n ln 2 + r with |r| <= ln 2 / 2, the polynomial is that of Cephes' expf (S. Moshier, 1995).
inline V exponential(V x) {
  constexpr float kLowest = -87.33f, kHighest = 88.37f;
  const V clamped = x < kLowest ? splat(kLowest) : (x > kHighest ? splat(kHighest) : x);
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
  const V shifted = clamped * 1.44269504f + 12582912.0f;
  const V n = shifted - 12582912.0f;
  V r = fused_multiply_add(n, splat(-0.693359375f), clamped);
  r = fused_multiply_add(n, splat(2.12194440e-4f), r);
  V p = splat(1.9875691500e-4f);
  p = fused_multiply_add(p, r, splat(1.3981999507e-3f));
  p = fused_multiply_add(p, r, splat(8.3334519073e-3f));
  p = fused_multiply_add(p, r, splat(4.1665795894e-2f));
  p = fused_multiply_add(p, r, splat(1.6666665459e-1f));
  p = fused_multiply_add(p, r, splat(5.0000001201e-1f));
  p = fused_multiply_add(p, r * r, r) + 1.0f;
  const VBits power = (reinterpret_cast<VBits>(shifted) << 23) + 0x3F800000u;
  const V result = p * reinterpret_cast<V>(power);
  return x < kLowest ? V{} : result;
}

// tanh(x) within 2e-7.
inline V tanh_of(V x) {
  return 1.0f - 2.0f / (exponential(x + x) + 1.0f);
}

}  // namespace
}  // namespace pagoda::cpu
