// Random numbers without state: a function of (seed, counter), so that a draw does not depend on
// what else was drawn. Philox4x32-10 (Salmon et al., SC 2011, "Parallel random numbers: as easy as
// 1, 2, 3", section 3.3 and table 2).
//
// Thread rule: pure functions.
#pragma once

#include <array>
#include <cstdint>

namespace pagoda {

constexpr std::array<uint32_t, 4> philox(uint64_t seed, uint64_t counter_low,
                                         uint64_t counter_high = 0) {
  std::array<uint32_t, 4> x = {
      static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
      static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * x[0], p1 = uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return x;
}

// Uniform in (0, 1), 53 bits, never 0 or 1.
constexpr double uniform_from(uint64_t seed, uint64_t counter_low, uint64_t counter_high = 0) {
  const auto x = philox(seed, counter_low, counter_high);
  const uint64_t bits = (uint64_t{x[0]} << 32 | x[1]) >> 11;
  return (static_cast<double>(bits) + 0.5) * 0x1.0p-53;
}

}  // namespace pagoda
