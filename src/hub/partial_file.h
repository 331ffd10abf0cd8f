// A file that is being downloaded in pieces, in any order and over several attempts.
//
// On disk it is the file at its full size, and behind it a record of how much of each piece is
// there, so that one file is all there is to keep, to go on with, or to delete. The record is
// written after the bytes it speaks of; a power cut may undo that order, which the checksum sees.
//
// Thread rule: different pieces from different threads; the rest from one thread while no piece is
// being written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "hub/descriptor.h"

namespace pagoda {

class PartialFile {
 public:
  // Goes on with `path` if it is a part of a file of this size, else begins it. Throws kConfig if
  // it cannot be written.
  PartialFile(std::filesystem::path path, int64_t bytes, int64_t piece_bytes);

  int64_t bytes() const { return bytes_; }
  size_t num_pieces() const { return done_.size(); }
  // Bytes [first, end) of the file.
  std::pair<int64_t, int64_t> range(size_t piece) const;
  // How much of a piece is there, from its start on.
  int64_t done(size_t piece) const { return done_[piece]; }
  int64_t total_done() const;

  // Appends to a piece; no more than is missing. Throws kConfig if the disk is full.
  void append(size_t piece, std::span<const std::byte> data);
  // Forgets a piece, or all of them.
  void clear(size_t piece);
  void clear();

  const std::filesystem::path& path() const { return path_; }
  // Cuts off the record: the file is now as it is meant to be, and no longer a partial one.
  void strip();
  // Makes the stripped file durable and moves it to its place.
  void move_to(const std::filesystem::path& target);

 private:
  bool is_record_valid();
  void write_record(size_t piece);
  void write_at(const void* data, size_t size, int64_t offset);

  std::filesystem::path path_;
  int64_t bytes_, piece_bytes_;
  Descriptor file_;
  std::vector<int64_t> done_;  // each element belongs to the thread that writes the piece
};

}  // namespace pagoda
