#include "base/line_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <exception>
#include <utility>

namespace pagoda {
namespace {

// So often is looked whether there are other lines, and whether it shall end, while a descriptor
// takes none.
constexpr int kLookMs = 20;

// A thread that takes no signal: those of the program are for others to take.
template <class Work>
std::thread thread_without_signals(Work work) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread thread(std::move(work));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (const std::exception&) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
}

}  // namespace

LineWriter::LineWriter(LineWriterConfig config)
    : max_waiting_bytes_(config.max_waiting_bytes), notice_(std::move(config.notice)) {
  {
    const MutexLock lock(mutex_);
    for (const int descriptor : config.descriptors) streams_.push_back({.descriptor = descriptor});
  }
  wanted_.resize(config.descriptors.size());
  numbers_.resize(config.descriptors.size());
  thread_ = thread_without_signals([this] { work(); });
}

LineWriter::~LineWriter() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  added_.notify_all();
  thread_.join();
}

void LineWriter::write(size_t stream, std::string line) noexcept {
  const MutexLock lock(mutex_);
  Stream& to = streams_[stream];
  try {
    if (!to.lines.empty() && to.bytes + line.size() > max_waiting_bytes_) {
      ++to.dropped;
      return;
    }
    add_notice(to);
    add(to, std::move(line), 1);
  } catch (const std::exception&) {
    ++to.dropped;
  }
  added_.notify_all();
}

void LineWriter::count_lost(size_t stream) noexcept {
  const MutexLock lock(mutex_);
  ++streams_[stream].dropped;
}

void LineWriter::add(Stream& stream, std::string text, int64_t stands_for) {
  const size_t bytes = text.size();
  stream.lines.push_back(
      {.number = next_number_, .stands_for = stands_for, .text = std::move(text)});
  ++next_number_;
  stream.bytes += bytes;
}

void LineWriter::add_notice(Stream& stream) {
  if (stream.dropped == 0) return;
  add(stream, notice_(stream.dropped), stream.dropped);
  stream.dropped = 0;
}

bool LineWriter::flush(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  MutexLock lock(mutex_);
  const uint64_t end = next_number_;
  while (has_before(end)) {
    if (!ended_.wait_until(lock, deadline)) return !has_before(end);
  }
  return true;
}

bool LineWriter::has_before(uint64_t number) const {
  return std::any_of(streams_.begin(), streams_.end(), [&](const Stream& stream) {
    return !stream.lines.empty() && stream.lines.front().number < number;
  });
}

void LineWriter::work() {
  while (wait_for_lines()) {
    if (const std::optional<size_t> stream = next_writable()) write_some(*stream);
  }
}

bool LineWriter::wait_for_lines() {
  MutexLock lock(mutex_);
  while (!stopping_ && !has_before(next_number_)) added_.wait(lock);
  return !stopping_;
}

// Of the streams that take something now, the one whose line came first.
std::optional<size_t> LineWriter::next_writable() {
  {
    const MutexLock lock(mutex_);
    for (size_t i = 0; i < streams_.size(); ++i) {
      const Stream& stream = streams_[i];
      // poll() passes over descriptors below zero.
      wanted_[i] = {stream.lines.empty() ? -1 : stream.descriptor, POLLOUT, 0};
      numbers_[i] = stream.lines.empty() ? 0 : stream.lines.front().number;
    }
  }
  if (poll(wanted_.data(), wanted_.size(), kLookMs) <= 0) return std::nullopt;
  std::optional<size_t> first;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    if (wanted_[i].revents == 0) continue;
    if (!first || numbers_[i] < numbers_[*first]) first = i;
  }
  return first;
}

void LineWriter::write_some(size_t index) {
  int descriptor = -1;
  const char* from = nullptr;
  size_t size = 0;
  {
    const MutexLock lock(mutex_);
    const Stream& stream = streams_[index];
    const std::string& text = stream.lines.front().text;
    descriptor = stream.descriptor;
    from = text.data() + stream.front_written;
    // A pipe that takes anything takes so much without making the writer wait.
    size = std::min(text.size() - stream.front_written, size_t{PIPE_BUF});
  }
  // The text stays where it is: only this thread takes lines away.
  const ssize_t written = ::write(descriptor, from, size);
  const bool is_error = written < 0 && errno != EINTR && errno != EAGAIN;
  const MutexLock lock(mutex_);
  Stream& stream = streams_[index];
  if (written > 0) stream.front_written += static_cast<size_t>(written);
  const bool is_written = stream.front_written == stream.lines.front().text.size();
  if (is_error || is_written) end_front(stream, is_written);
}

// Nobody reads any more, or the disk is full: the next line may find it otherwise.
void LineWriter::end_front(Stream& stream, bool is_written) {
  if (!is_written) stream.dropped += stream.lines.front().stands_for;
  stream.bytes -= stream.lines.front().text.size();
  stream.front_written = 0;
  stream.lines.pop_front();
  if (is_written && stream.lines.empty()) {
    try {
      add_notice(stream);
    } catch (const std::exception&) {
      // No memory for it now: it stays counted, and is said with the next line.
    }
  }
  ended_.notify_all();
}

}  // namespace pagoda
