// Kernels that read a row and write a row. Bound by memory; measured as part of whole steps.
#pragma once

#include "backends/cpu/kernels.h"
#include "backends/cpu/simd.h"

namespace pagoda::cpu {
namespace {

template <class T>
void widen(float* out, const void* x, int64_t n) {
  const T* from = static_cast<const T*>(x);
  for (int64_t i = 0; i < n; i += kLanes) store_first(out + i, load_first(from + i, n - i), n - i);
}

template <class T>
void narrow(void* out, const float* x, int64_t n) {
  T* to = static_cast<T*>(out);
  for (int64_t i = 0; i < n; i += kLanes) store_first(to + i, load_first(x + i, n - i), n - i);
}

template <class T>
void add(void* inout, const void* x, int64_t n) {
  T* sum = static_cast<T*>(inout);
  const T* term = static_cast<const T*>(x);
  for (int64_t i = 0; i < n; i += kLanes) {
    store_first(sum + i, load_first(sum + i, n - i) + load_first(term + i, n - i), n - i);
  }
}

inline void divide(float* x, float divisor, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    store_first(x + i, load_first(x + i, n - i) / divisor, n - i);
  }
}

// out = round(x / sqrt(mean(x^2) + eps)) * gain.
template <class T>
void rms_norm(void* out, const void* x, const float* gain, int64_t n, float eps) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(out);
  constexpr int kChains = 4;  // the latency of an add, hidden
  V squares[kChains] = {};
  for (int64_t i = 0; i < n; i += kChains * kLanes) {
    for (int64_t c = 0; c < kChains; ++c) {
      const int64_t first = i + c * kLanes;
      if (first >= n) break;
      const V v = load_first(from + first, n - first);
      squares[c] = fused_multiply_add(v, v, squares[c]);
    }
  }
  const float sum = sum_of_lanes((squares[0] + squares[1]) + (squares[2] + squares[3]));
  const float scale = 1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; i += kLanes) {
    const V v = rounded_to<T>(load_first(from + i, n - i) * scale);
    store_first(to + i, v * load_first(gain + i, n - i), n - i);
  }
}

// out = gate / (1 + e^-gate) * up.
template <class T>
void silu_mul(void* out, const void* gate, const void* up, int64_t n) {
  const T* g = static_cast<const T*>(gate);
  const T* u = static_cast<const T*>(up);
  T* to = static_cast<T*>(out);
  for (int64_t i = 0; i < n; i += kLanes) {
    const V v = load_first(g + i, n - i);
    store_first(to + i, v / (exponential(-v) + 1.0f) * load_first(u + i, n - i), n - i);
  }
}

// out = gelu(gate) * up by tanh: 1/2 (1 + tanh(u)) = 1 / (1 + e^-2u).
template <class T>
void gelu_tanh_mul(void* out, const void* gate, const void* up, int64_t n) {
  const T* g = static_cast<const T*>(gate);
  const T* u = static_cast<const T*>(up);
  T* to = static_cast<T*>(out);
  for (int64_t i = 0; i < n; i += kLanes) {
    const V v = load_first(g + i, n - i);
    const V twice = (v + v * v * v * 0.044715f) * 1.59576912f;  // 2 sqrt(2 / pi)
    store_first(to + i, v / (exponential(-twice) + 1.0f) * load_first(u + i, n - i), n - i);
  }
}

template <class T>
void scale(void* inout, float factor, int64_t n) {
  T* x = static_cast<T*>(inout);
  for (int64_t i = 0; i < n; i += kLanes) {
    store_first(x + i, load_first(x + i, n - i) * factor, n - i);
  }
}

inline void soft_cap(float* x, float cap, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    store_first(x + i, tanh_of(load_first(x + i, n - i) / cap) * cap, n - i);
  }
}

// (a, b) -> (a cos - b sin, b cos + a sin).
inline void rotate(V& a, V& b, V cos, V sin) {
  const V first = fused_multiply_add(a, cos, -(b * sin));
  b = fused_multiply_add(b, cos, a * sin);
  a = first;
}

template <class T>
void rope_halves(const RopeCall& call) {
  for (int64_t h = 0; h < call.count; ++h) {
    T* head = static_cast<T*>(call.heads) + h * call.head_dim;
    for (int64_t i = 0; i < call.half; i += kLanes) {
      const int64_t left = call.half - i;
      V a = load_first(head + i, left), b = load_first(head + call.half + i, left);
      rotate(a, b, load_first(call.cos + i, left), load_first(call.sin + i, left));
      store_first(head + i, a, left);
      store_first(head + call.half + i, b, left);
    }
  }
}

// n <= kLanes neighboring pairs.
template <class T>
inline void rotate_neighbors(T* pairs, const float* cos, const float* sin, int64_t n) {
  T evens[kLanes] = {}, odds[kLanes] = {};
  for (int64_t j = 0; j < n; ++j) {
    evens[j] = pairs[2 * j];
    odds[j] = pairs[2 * j + 1];
  }
  V a = load(evens), b = load(odds);
  rotate(a, b, load_first(cos, n), load_first(sin, n));
  store(evens, a);
  store(odds, b);
  for (int64_t j = 0; j < n; ++j) {
    pairs[2 * j] = evens[j];
    pairs[2 * j + 1] = odds[j];
  }
}

template <class T>
void rope_neighbors(const RopeCall& call) {
  for (int64_t h = 0; h < call.count; ++h) {
    T* head = static_cast<T*>(call.heads) + h * call.head_dim;
    for (int64_t i = 0; i < call.half; i += kLanes) {
      const int64_t n = call.half - i < kLanes ? call.half - i : kLanes;
      rotate_neighbors(head + 2 * i, call.cos + i, call.sin + i, n);
    }
  }
}

}  // namespace
}  // namespace pagoda::cpu
