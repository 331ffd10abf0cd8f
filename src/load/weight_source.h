// Where weights come from: the safetensors files of a folder, or random numbers.
//
// Thread rule: immutable after construction; any thread may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/matrix.h"

namespace pagoda {

// One tensor of a source, of known shape. Lives no longer than its source.
class StoredTensor {
 public:
  virtual ~StoredTensor() = default;
  virtual Encoding encoding() const = 0;
  // Elements [first, first + count) in row-major order, aligned to their size: in the mapped file,
  // or else written to `scratch`, which has room for them. Elements smaller than a byte: rows begin
  // at whole bytes, and so does `first`.
  virtual const std::byte* read(int64_t first, int64_t count, std::byte* scratch) const = 0;
  // Elements [first, first + count) will be read soon; will not be read again.
  virtual void prefetch(int64_t /*first*/, int64_t /*count*/) const {}
  virtual void drop(int64_t /*first*/, int64_t /*count*/) const {}
};

// What a tensor must hold.
enum class Numbers : uint8_t {
  kFloats,   // F32, F16 or BF16
  kFloats8,  // F8_E4M3
  kWords,    // I32, given as bytes: the encoding is int8, a word four elements
  kSizes,    // I64, likewise
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // A source of random numbers has every name.
  virtual bool has(std::string_view name) const = 0;
  // `shape` is what config.json makes of it; a single number [1] may have no dimensions. Throws
  // kCheckpoint where there is no such tensor, or one of another shape, or of other numbers.
  virtual std::unique_ptr<StoredTensor> open(const std::string& name,
                                             std::span<const int64_t> shape,
                                             Numbers numbers) const = 0;
  virtual std::vector<std::string> names() const = 0;  // of all tensors; random numbers: none
  virtual int64_t total_bytes() const = 0;             // what progress counts to; 0: unknown
  virtual std::optional<Encoding> first_encoding() const = 0;  // of the first tensor of floats
  virtual std::string description() const = 0;  // "3 safetensors files, 15.2 GB" for the log
};

// "[4096, 11008]": for messages.
std::string shape_text(std::span<const int64_t> shape);

}  // namespace pagoda
