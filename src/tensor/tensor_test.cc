#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/part.h"
#include "tensor/workspace.h"

namespace pagoda {

TEST_CASE("every float16 survives the way to float and back") {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Float16 half{static_cast<uint16_t>(bits)};
    const float x = to_float(half);
    if (std::isnan(x)) continue;
    wrong += from_float<Float16>(x).bits != bits;
  }
  CHECK(wrong == 0);
}

TEST_CASE("float8 e4m3 is what its bits say, without infinities") {
  int wrong = 0;
  for (int bits = 0; bits < 256; ++bits) {
    const float x = to_float(Float8E4M3{static_cast<uint8_t>(bits)});
    const int exponent = bits >> 3 & 15, mantissa = bits & 7;
    const float magnitude = exponent == 0
                                ? std::ldexp(static_cast<float>(mantissa), -9)
                                : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
    const bool is_nan = exponent == 15 && mantissa == 7;
    wrong += is_nan ? !std::isnan(x) : x != (bits < 128 ? magnitude : -magnitude);
    wrong += std::signbit(x) != (bits >= 128);
  }
  CHECK(wrong == 0);
  CHECK(to_float(Float8E4M3{0x7E}) == 448.0f);
}

TEST_CASE("rounding goes to the nearest, ties to even") {
  CHECK(from_float<BFloat16>(1.0f + 0x1p-8f).bits == 0x3F80);      // tie: down to even
  CHECK(from_float<BFloat16>(1.0f + 3 * 0x1p-8f).bits == 0x3F82);  // tie: up to even
  CHECK(from_float<Float16>(1.0f + 0x1p-11f).bits == 0x3C00);
  CHECK(from_float<Float16>(65520.0f).bits == 0x7C00);  // beyond 65504
  CHECK(from_float<Float16>(0x1p-25f).bits == 0x0000);  // tie: to zero
  CHECK(from_float<Float16>(0x1.8p-25f).bits == 0x0001);
}

TEST_CASE("28 heads over 8 ranks are dealt in order and padded at the end") {
  CHECK(share_part(28, 128, 0, 8).units == std::vector<int64_t>{0, 1, 2, 3});
  CHECK(share_part(28, 128, 6, 8).units == std::vector<int64_t>{24, 25, 26, 27});
  CHECK(share_part(28, 128, 7, 8).units.empty());
  CHECK(share_part(28, 128, 7, 8).size() == 4 * 128);
}

TEST_CASE("a measuring workspace finds the bytes that a real one then needs") {
  const auto step = [](Workspace& w) {
    w.reset();
    w.make({3, 5});
    const int64_t mark = w.mark();
    w.make({100}, DType::kF32);
    w.release(mark);
    return w.make({7}, DType::kI32);
  };
  Workspace measure(DType::kBF16);
  step(measure);
  CHECK(measure.peak_bytes() == 64 + 448);
  Workspace real(reserve_host_memory(measure.peak_bytes()), DType::kBF16);
  CHECK(step(real).data != nullptr);
}

}  // namespace pagoda
