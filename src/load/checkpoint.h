// Where weights come from: the safetensors files of a folder, or random numbers.
//
// Thread rule: immutable after construction; any thread may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/matrix.h"

namespace pagoda {

// One tensor of a file.
struct StoredTensor {
  std::string_view name;
  std::vector<int64_t> shape;
  Encoding encoding;
  std::string_view file;             // for messages
  std::span<const std::byte> bytes;  // [shape], row-major; empty for a source without files
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // Null where there is no such tensor. A source of random numbers has every name.
  virtual const StoredTensor* find(std::string_view name) const = 0;
  virtual bool has(std::string_view name) const = 0;
  virtual int64_t total_bytes() const = 0;      // of all tensors: what progress counts up to
  virtual std::string description() const = 0;  // "3 safetensors files, 15.2 GB" for the log
};

// --load-format auto, safetensors: all *.safetensors of the folder, or those of its index. Headers
// are read and checked, data are mapped. Throws kCheckpoint: file, tensor, found, expected, remedy.
std::unique_ptr<WeightSource> open_checkpoint(const std::filesystem::path& folder);

}  // namespace pagoda
