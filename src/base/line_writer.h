// Writes lines to a few descriptors without making anybody wait: a thread of its own writes. What a
// descriptor does not take in time is dropped and counted, and said as soon as it takes lines
// again.
//
// Thread rule: write() and flush() from any thread; made and ended on one.
// Invariant: the lines of a stream are written whole and in the order in which they came.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pagoda {

struct LineWriterConfig {
  std::vector<int> descriptors;  // of stream 0, 1, ...; they stay open
  // Of each stream; beyond, lines are dropped. One line alone may be longer.
  size_t max_waiting_bytes = 16 << 20;
  // The line that stands for lines that were dropped.
  std::function<std::string(int64_t lines)> notice;
};

class LineWriter {
 public:
  // Throws std::system_error where the system refuses a thread.
  explicit LineWriter(LineWriterConfig config);
  // What is not written by now is lost: flush() before.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` ends with its line break.
  void write(size_t stream, std::string line) noexcept;
  // A line for which there was no memory.
  void count_lost(size_t stream) noexcept;
  // Waits until all that came before is written, or for `patience`: whether it is written.
  bool flush(std::chrono::milliseconds patience);

 private:
  struct Line {
    uint64_t number;  // of all streams
    int64_t stands_for;
    std::string text;
  };
  struct Stream {
    int descriptor;
    std::deque<Line> lines = {};
    size_t front_written = 0;  // bytes of the first line
    size_t bytes = 0;          // of all lines
    int64_t dropped = 0;       // lines, since the last notice
  };

  void work();
  bool wait_for_lines();
  std::optional<size_t> next_writable();
  void write_some(size_t stream);
  void end_front(Stream& stream, bool is_written) REQUIRES(mutex_);
  void add(Stream& stream, std::string text, int64_t stands_for) REQUIRES(mutex_);
  void add_notice(Stream& stream) REQUIRES(mutex_);
  bool has_before(uint64_t number) const REQUIRES(mutex_);

  const size_t max_waiting_bytes_;
  const std::function<std::string(int64_t lines)> notice_;
  Mutex mutex_;
  Condition added_, ended_;
  std::vector<Stream> streams_ GUARDED_BY(mutex_);
  uint64_t next_number_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  // Of the writing thread: of each stream its descriptor, and the number of its first line.
  std::vector<pollfd> wanted_;
  std::vector<uint64_t> numbers_;
  std::thread thread_;
};

}  // namespace pagoda
