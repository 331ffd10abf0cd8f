#include "load/random_weights.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "base/must.h"
#include "tensor/dtype.h"

namespace pagoda {
namespace {

constexpr float kBiasSize = 0.02f;  // of the activations, which are near 1
// Of quantized weights, whose columns are not known where scales are made: 4 bits of a few thousand
// columns then have about the variance of other matrices.
constexpr float kScale = 0x1p-8f;

// The finalizer of SplitMix64 (Steele et al., OOPSLA 2014, "Fast splittable pseudorandom number
// generators", figure 16): philox costs ten times as much, and nobody samples from weights.
constexpr uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

uint64_t key_of(uint64_t seed, std::string_view name) {
  uint64_t key = mixed(seed + 0x9E3779B97F4A7C15);
  for (const char c : name) key = mixed(key ^ static_cast<unsigned char>(c));
  return key;
}

// Four numbers of 16 bits a hash: element i takes quarter i % 4 of hash i / 4.
class RandomTensor final : public StoredTensor {
 public:
  RandomTensor(uint64_t key, Encoding encoding, float center, float size)
      : key_(key), encoding_(encoding), center_(center), scale_(size / 32768.0f) {}

  Encoding encoding() const override { return encoding_; }

  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    switch (encoding_) {
      case Encoding::kF32: fill<float>(first, count, scratch); break;
      case Encoding::kF16: fill<Float16>(first, count, scratch); break;
      case Encoding::kBF16: fill<BFloat16>(first, count, scratch); break;
      case Encoding::kF8E4M3:
      case Encoding::kInt8:
      case Encoding::kInt4: MUST(is_float(encoding_));  // those are RandomBytes
    }
    return scratch;
  }

 private:
  uint64_t hash(int64_t quad) const {
    return mixed(key_ + static_cast<uint64_t>(quad) * 0x9E3779B97F4A7C15);
  }
  float value(uint64_t hash, int64_t i) const {
    const auto bits = static_cast<int16_t>(hash >> (16 * (i % 4)));
    return center_ + (static_cast<float>(bits) + 0.5f) * scale_;
  }

  template <class T>
  void fill(int64_t first, int64_t count, std::byte* scratch) const {
    auto* out = reinterpret_cast<T*>(scratch);
    const int64_t end = first + count;
    int64_t i = first;
    const auto put_one = [&] { *out++ = from_float<T>(value(hash(i / 4), i)); };
    for (; i < end && i % 4 != 0; ++i) put_one();
    for (; i + 4 <= end; i += 4) {
      const uint64_t quad = hash(i / 4);
      for (int64_t k = 0; k < 4; ++k) *out++ = from_float<T>(value(quad, k));
    }
    for (; i < end; ++i) put_one();
  }

  const uint64_t key_;
  const Encoding encoding_;
  const float center_, scale_;
};

// Packed whole numbers are as good as their bits. What is a vector or a size names something: 0.
// Floats of 8 bits lack a bit of their exponent, so that none is a NaN and the largest are 30.
class RandomBytes final : public StoredTensor {
 public:
  RandomBytes(uint64_t key, Encoding encoding, std::byte mask)
      : key_(key), encoding_(encoding), mask_(mask) {}

  Encoding encoding() const override { return encoding_; }
  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<uint64_t>(first + i);
      const uint64_t bits = mixed(key_ + at / 8 * 0x9E3779B97F4A7C15) >> (8 * (at % 8));
      scratch[i] = static_cast<std::byte>(bits) & mask_;
    }
    return scratch;
  }

 private:
  const uint64_t key_;
  const Encoding encoding_;
  const std::byte mask_;
};

class RandomWeights final : public WeightSource {
 public:
  RandomWeights(uint64_t seed, Encoding encoding) : seed_(seed), encoding_(encoding) {}

  bool has(std::string_view /*name*/) const override { return true; }
  std::unique_ptr<StoredTensor> open(const std::string& name, std::span<const int64_t> shape,
                                     Numbers numbers) const override {
    MUST(!shape.empty());
    const uint64_t key = key_of(seed_, name);
    if (numbers == Numbers::kFloats8) {
      return std::make_unique<RandomBytes>(key, Encoding::kF8E4M3, std::byte{0xDF});
    }
    if (numbers != Numbers::kFloats) {
      const bool is_zero = shape.size() == 1 || numbers == Numbers::kSizes;
      const auto mask = is_zero ? std::byte{0} : std::byte{0xFF};
      return std::make_unique<RandomBytes>(key, Encoding::kInt8, mask);
    }
    if (name.ends_with("_scale") || name.ends_with("_scale_inv")) {
      return std::make_unique<RandomTensor>(key, encoding_, kScale, kScale / 2);
    }
    if (shape.size() == 1) {
      const bool is_gain = name.ends_with(".weight");
      return std::make_unique<RandomTensor>(key, encoding_, is_gain ? 1.0f : 0.0f,
                                            is_gain ? 0.0f : kBiasSize);
    }
    // Uniform in [-a, a] has the variance a^2 / 3.
    int64_t columns = 1;
    for (const int64_t dimension : shape.subspan(1)) columns *= dimension;
    const float size = std::sqrt(3.0f / static_cast<float>(columns));
    return std::make_unique<RandomTensor>(key, encoding_, 0.0f, size);
  }
  std::vector<std::string> names() const override { return {}; }
  int64_t total_bytes() const override { return 0; }
  std::optional<Encoding> first_encoding() const override { return encoding_; }
  std::string description() const override { return "random weights"; }

 private:
  const uint64_t seed_;
  const Encoding encoding_;
};

Encoding encoding_for(DType dtype) {
  switch (dtype) {
    case DType::kF32: return Encoding::kF32;
    case DType::kF16: return Encoding::kF16;
    default: return Encoding::kBF16;
  }
}

}  // namespace

std::unique_ptr<WeightSource> make_random_weights(uint64_t seed, DType dtype) {
  return std::make_unique<RandomWeights>(seed, encoding_for(dtype));
}

}  // namespace pagoda
