// The tile unit of this core. Tile numbers are part of the instructions, so they are template
// arguments; every instruction is a barrier to the compiler, which does not know tiles.
#pragma once

#include "backends/cpu/amx_kernels.h"

namespace pagoda::cpu {
namespace {

class AmxUnit {
 public:
  // An unconfigured unit costs less to save when threads are switched.
  ~AmxUnit() { asm volatile("tilerelease" ::: "memory"); }

  // Rows of the low and of the high tiles; also sets all tiles to zero.
  void configure(int64_t low_rows, int64_t high_rows) {
    struct alignas(64) Configuration {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } configuration;
    static_assert(sizeof(Configuration) == 64);
    const int64_t rows[] = {low_rows, low_rows,  high_rows,     high_rows,
                            low_rows, high_rows, kAmxDepth / 2, kAmxDepth / 2};  // as AmxTile
    for (int tile = 0; tile < 8; ++tile) {
      if (rows[tile] == 0) continue;  // a tile without rows must not have columns
      configuration.row_bytes[tile] = 64;
      configuration.rows[tile] = static_cast<uint8_t>(rows[tile]);
    }
    asm volatile("ldtilecfg %0" ::"m"(configuration) : "memory");
  }

  template <AmxTile kTile>
  void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
  }
  template <AmxTile kTile>
  void store(void* to, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
  }
  template <AmxTile kSum, AmxTile kRows, AmxTile kWeights>
  void multiply() {
    asm volatile("tdpbf16ps %%tmm%c0, %%tmm%c1, %%tmm%c2" ::"i"(kWeights), "i"(kRows), "i"(kSum));
  }
};

}  // namespace
}  // namespace pagoda::cpu
