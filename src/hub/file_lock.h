// A lock between processes: flock(2) on a file, let go with the object or the process.
//
// Thread rule: held by the object, whatever the thread.
#pragma once

#include <filesystem>
#include <optional>

#include "hub/descriptor.h"

namespace pagoda {

class FileLock {
 public:
  // Nothing if another holds it. Throws kConfig if the file cannot be made.
  [[nodiscard]] static std::optional<FileLock> try_lock(const std::filesystem::path& path);

 private:
  explicit FileLock(Descriptor file) : file_(std::move(file)) {}
  Descriptor file_;
};

}  // namespace pagoda
