// Files: read whole, or mapped.
//
// Thread rule: a MappedFile is read-only after construction; any thread may read it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace pagoda {

// Throws kConfig naming the file and the reason.
std::string read_text_file(const std::filesystem::path& path);

// A file mapped read-only. Pages come in when touched and can be let go again, so reading a
// checkpoint larger than memory does not push out anything else.
class MappedFile {
 public:
  // Throws kCheckpoint naming the file and the reason.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Tells the system that this range will be read soon.
  void prefetch(size_t offset, size_t size) const;
  // Lets go of this range's pages; reading it again reads the file again.
  void drop(size_t offset, size_t size) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pagoda
