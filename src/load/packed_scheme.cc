#include "load/packed_scheme.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "load/plain_scheme.h"

namespace pagoda {
namespace {

constexpr std::string_view kPacked = "weight_packed", kScale = "weight_scale",
                           kZero = "weight_zero_point", kOrder = "weight_g_idx",
                           kShape = "weight_shape";
constexpr int64_t kWordBits = 32, kWordBytes = 4;

int64_t words_of(Encoding encoding, int64_t count) {
  return (count * bits_of(encoding) + kWordBits - 1) / kWordBits;
}

// Flips the highest bit of each number in a byte: x + 2^(bits - 1) becomes x in two's complement.
std::byte signed_byte(Encoding encoding, std::byte stored) {
  return stored ^ std::byte{encoding == Encoding::kInt4 ? uint8_t{0x88} : uint8_t{0x80}};
}

// The numbers of weight_packed. Rows of the file end at whole words, here at whole bytes.
class PackedValues final : public StoredTensor {
 public:
  PackedValues(std::unique_ptr<StoredTensor> words, Encoding encoding, int64_t columns)
      : words_(std::move(words)),
        encoding_(encoding),
        row_bytes_(bytes_of(encoding, columns)),
        stored_row_bytes_(words_of(encoding, columns) * kWordBytes),
        ends_in_half_(columns * bits_of(encoding) % 8 != 0) {}

  Encoding encoding() const override { return encoding_; }

  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    std::byte* out = scratch;
    const int64_t end = byte_at(first) + bytes_of(encoding_, count);
    for (int64_t at = byte_at(first); at < end;) {
      const int64_t row = at / row_bytes_, inside = at % row_bytes_;
      const int64_t bytes = std::min(row_bytes_ - inside, end - at);
      const std::byte* stored = words_->read(row * stored_row_bytes_ + inside, bytes, out);
      std::transform(stored, stored + bytes, out,
                     [&](std::byte b) { return signed_byte(encoding_, b); });
      out += bytes;
      at += bytes;
      if (ends_in_half_ && inside + bytes == row_bytes_) out[-1] &= std::byte{0x0F};
    }
    return scratch;
  }
  void prefetch(int64_t first, int64_t count) const override {
    words_->prefetch(stored_byte_at(first), stored_bytes(first, count));
  }
  void drop(int64_t first, int64_t count) const override {
    words_->drop(stored_byte_at(first), stored_bytes(first, count));
  }

 private:
  int64_t byte_at(int64_t element) const { return element * bits_of(encoding_) / 8; }
  int64_t stored_byte_at(int64_t element) const {
    const int64_t at = byte_at(element);
    return at / row_bytes_ * stored_row_bytes_ + at % row_bytes_;
  }
  // Whole numbers of rows, or a piece of one.
  int64_t stored_bytes(int64_t first, int64_t count) const {
    return stored_byte_at(first + count) - stored_byte_at(first);
  }

  const std::unique_ptr<StoredTensor> words_;
  const Encoding encoding_;
  const int64_t row_bytes_, stored_row_bytes_;
  const bool ends_in_half_;
};

// The numbers of weight_zero_point [rows, groups].
class PackedZeros final : public StoredTensor {
 public:
  PackedZeros(std::unique_ptr<StoredTensor> words, Encoding encoding, int64_t groups)
      : words_(std::move(words)), encoding_(encoding), groups_(groups) {}

  Encoding encoding() const override { return Encoding::kInt8; }

  const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const override {
    for (int64_t i = 0; i < count; ++i) {
      scratch[i] = zero((first + i) / groups_, (first + i) % groups_);
    }
    return scratch;
  }

 private:
  std::byte zero(int64_t row, int64_t group) const {
    const int64_t bit = row * bits_of(encoding_);
    std::byte memory;
    const std::byte stored = *words_->read(
        (bit / kWordBits * groups_ + group) * kWordBytes + bit % kWordBits / 8, 1, &memory);
    const std::byte number = signed_byte(encoding_, stored);
    if (encoding_ == Encoding::kInt8) return number;
    const int half = (static_cast<int>(number) >> (bit % 8)) & 15;
    return static_cast<std::byte>((half ^ 8) - 8);
  }

  const std::unique_ptr<StoredTensor> words_;
  const Encoding encoding_;
  const int64_t groups_;
};

std::vector<int32_t> read_order(const ModuleTensors& tensors, int64_t columns, int64_t groups) {
  const auto words = tensors.open(kOrder, std::array{columns}, Numbers::kWords);
  std::vector<int32_t> order(static_cast<size_t>(columns));
  auto* memory = reinterpret_cast<std::byte*>(order.data());
  const std::byte* stored = words->read(0, columns * kWordBytes, memory);
  if (stored != memory) std::memcpy(memory, stored, static_cast<size_t>(columns * kWordBytes));
  for (const int32_t group : order) {
    if (group >= 0 && group < groups) continue;
    throw Error(ErrorKind::kCheckpoint, str(tensors.full_name(kOrder), ": names group ", group,
                                            " of ", groups, "; get the model again"));
  }
  return order;
}

}  // namespace

bool PackedScheme::is_plain(const ModuleTensors& tensors) const {
  return !tensors.has(kPacked) && tensors.has(kPlainWeight);
}

int64_t PackedScheme::input_unit() const {
  const bool has_runs = options_.group > 0 && !options_.is_ordered;
  return has_runs ? options_.group : kWordBits / bits_of(options_.values);
}

StoredWeight PackedScheme::open(const ModuleTensors& tensors,
                                std::span<const int64_t> shape) const {
  if (is_plain(tensors)) return PlainScheme().open(tensors, shape);
  if (tensors.is_stored(kPacked) && tensors.is_stored(kPlainWeight)) {
    throw Error(ErrorKind::kCheckpoint,
                str(tensors.module(), ": is there both as ", kPacked, " and as ", kPlainWeight,
                    ", expected one; remove the file that does not belong to the model"));
  }
  const int64_t rows = shape[0];
  const int64_t columns =
      std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<>());
  if (options_.group > 0 && columns % options_.group != 0) {
    throw Error(ErrorKind::kCheckpoint,
                str(tensors.module(), ": has ", columns, " inputs, not a multiple of group_size ",
                    options_.group, " in quantization_config; correct config.json"));
  }
  StoredWeight weight = {.format = {.values = options_.values, .group = options_.group},
                         .values = nullptr};
  const int64_t groups = weight.format.groups(columns);
  weight.values = std::make_unique<PackedValues>(
      tensors.open(kPacked, std::array{rows, words_of(options_.values, columns)}, Numbers::kWords),
      options_.values, columns);
  weight.scales = checked_scales(tensors.open(kScale, std::array{rows, groups}, Numbers::kFloats),
                                 tensors.full_name(kScale), groups);
  weight.format.scales = weight.scales->encoding();
  if (options_.has_zeros) {
    weight.format.has_zeros = true;
    weight.zeros = std::make_unique<PackedZeros>(
        tensors.open(kZero, std::array{words_of(options_.values, rows), groups}, Numbers::kWords),
        options_.values, groups);
  }
  if (options_.is_ordered) {
    weight.format.ordered_groups = groups;
    weight.order = read_order(tensors, columns, groups);
  }
  // What it says is known and checked already; it is used all the same.
  if (tensors.has(kShape)) tensors.open(kShape, std::array{int64_t{2}}, Numbers::kSizes);
  return weight;
}

}  // namespace pagoda
