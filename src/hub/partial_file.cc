#include "hub/partial_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// The record: this word, the size of a piece, then a number of bytes a piece.
constexpr int64_t kMagic = 0x3174726170646770;  // "pgdpart1"
constexpr int64_t kHeaderBytes = 2 * sizeof(int64_t);

Descriptor open_for_writing(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.is_open()) return file;
  if (!error) error = std::error_code(errno, std::generic_category());
  throw Error(ErrorKind::kConfig,
              str(path.parent_path().string(), ": cannot be written: ", error.message(),
                  "; make it writable, or name another folder (--download-dir, HF_HOME or "
                  "MODELSCOPE_CACHE)"));
}

}  // namespace

PartialFile::PartialFile(fs::path path, int64_t bytes, int64_t piece_bytes)
    : path_(std::move(path)),
      bytes_(bytes),
      piece_bytes_(piece_bytes),
      file_(open_for_writing(path_)),
      done_(static_cast<size_t>((bytes + piece_bytes - 1) / piece_bytes)) {
  if (is_record_valid()) return;
  std::fill(done_.begin(), done_.end(), 0);
  if (ftruncate(file_.number(), 0) != 0) done_.assign(done_.size(), 0);
  const std::array header = {kMagic, piece_bytes_};
  write_at(header.data(), sizeof header, bytes_);
  for (size_t piece = 0; piece < num_pieces(); ++piece) write_record(piece);
}

bool PartialFile::is_record_valid() {
  const auto record_bytes = static_cast<int64_t>(done_.size() * sizeof(int64_t));
  struct stat status {};
  if (fstat(file_.number(), &status) != 0) return false;
  if (status.st_size != bytes_ + kHeaderBytes + record_bytes) return false;
  std::array<int64_t, 2> header{};
  if (pread(file_.number(), header.data(), sizeof header, bytes_) != kHeaderBytes) return false;
  if (header != std::array{kMagic, piece_bytes_}) return false;
  const ssize_t got =
      pread(file_.number(), done_.data(), static_cast<size_t>(record_bytes), bytes_ + kHeaderBytes);
  if (got != record_bytes) return false;
  for (size_t piece = 0; piece < num_pieces(); ++piece) {
    const auto [first, end] = range(piece);
    if (done_[piece] < 0 || done_[piece] > end - first) return false;
  }
  return true;
}

std::pair<int64_t, int64_t> PartialFile::range(size_t piece) const {
  const int64_t first = static_cast<int64_t>(piece) * piece_bytes_;
  return {first, std::min(first + piece_bytes_, bytes_)};
}

int64_t PartialFile::total_done() const {
  return std::accumulate(done_.begin(), done_.end(), int64_t{0});
}

void PartialFile::append(size_t piece, std::span<const std::byte> data) {
  const auto [first, end] = range(piece);
  MUST(static_cast<int64_t>(data.size()) <= end - first - done_[piece]);
  write_at(data.data(), data.size(), first + done_[piece]);
  done_[piece] += static_cast<int64_t>(data.size());
  write_record(piece);
}

void PartialFile::clear(size_t piece) {
  done_[piece] = 0;
  write_record(piece);
}

void PartialFile::clear() {
  for (size_t piece = 0; piece < num_pieces(); ++piece) clear(piece);
}

void PartialFile::strip() {
  if (ftruncate(file_.number(), bytes_) == 0) return;
  throw Error(ErrorKind::kConfig, str(path_.string(), ": ", std::strerror(errno)));
}

void PartialFile::move_to(const fs::path& target) {
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (fsync(file_.number()) == 0) {
    fs::rename(path_, target, error);
    if (!error) return;
  } else {
    error = std::error_code(errno, std::generic_category());
  }
  throw Error(ErrorKind::kConfig, str(target.string(), ": cannot be written: ", error.message()));
}

void PartialFile::write_record(size_t piece) {
  write_at(&done_[piece], sizeof(int64_t),
           bytes_ + kHeaderBytes + static_cast<int64_t>(piece * sizeof(int64_t)));
}

void PartialFile::write_at(const void* data, size_t size, int64_t offset) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = pwrite(file_.number(), from, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      throw Error(ErrorKind::kConfig,
                  str(path_.string(), ": cannot be written: ", std::strerror(errno),
                      "; what is there is kept: free some space and start again"));
    }
    from += written;
    size -= static_cast<size_t>(written);
    offset += written;
  }
}

}  // namespace pagoda
