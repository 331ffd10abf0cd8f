#include "base/line_writer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/str.h"

namespace pagoda {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kLong{20};

// A pipe of one page, whose reader is the test.
class Pipe {
 public:
  Pipe() {
    REQUIRE(pipe2(ends_, O_CLOEXEC) == 0);
    fcntl(ends_[1], F_SETPIPE_SZ, 4096);
  }
  ~Pipe() {
    close_reader();
    close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  std::string read_line() {
    for (;;) {
      const size_t end = received_.find('\n');
      if (end != std::string::npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return line;
      }
      char bytes[512];
      const ssize_t got = read(ends_[0], bytes, sizeof bytes);
      if (got <= 0) return std::exchange(received_, {});
      received_.append(bytes, static_cast<size_t>(got));
    }
  }

 private:
  int ends_[2] = {-1, -1};
  std::string received_;
};

std::string notice(int64_t lines) {
  return str("dropped ", lines, "\n");
}

std::string numbered(int64_t number) {
  return str(number, std::string(100, '.'), "\n");
}

}  // namespace

TEST_CASE("lines of many threads come out whole, those of each thread in its order") {
  Pipe pipe;
  LineWriter writer({.descriptors = {pipe.writer()}, .notice = notice});
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&writer, thread] {
      for (int i = 0; i < 200; ++i) writer.write(0, str(thread, " ", i, "\n"));
    });
  }
  std::vector<int> next(4, 0);
  for (int i = 0; i < 800; ++i) {
    const std::string line = pipe.read_line();
    const auto thread = static_cast<size_t>(line[0] - '0');
    REQUIRE(line == str(thread, " ", next[thread]));
    ++next[thread];
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(writer.flush(kLong));
}

TEST_CASE("nobody waits for a pipe that is not read; what it lost is said once it is") {
  Pipe pipe;
  constexpr int64_t kLines = 1000;
  LineWriter writer(
      {.descriptors = {pipe.writer()}, .max_waiting_bytes = 10'000, .notice = notice});
  for (int64_t i = 0; i < kLines; ++i) writer.write(0, numbered(i));
  CHECK_FALSE(writer.flush(0ms));
  int64_t next = 0, dropped = 0;
  while (next < kLines) {
    const std::string line = pipe.read_line();
    if (line.starts_with("dropped ")) {
      const int64_t lines = std::stoll(line.substr(8));
      dropped += lines;
      next += lines;
    } else {
      REQUIRE(line + "\n" == numbered(next));
      ++next;
    }
  }
  CHECK(next == kLines);
  CHECK(dropped > 800);  // the pipe and the queue hold 14,096 bytes
  CHECK(writer.flush(kLong));
}

TEST_CASE("a stream that is stuck holds up no other") {
  Pipe stuck, other;
  LineWriter writer({.descriptors = {stuck.writer(), other.writer()}, .notice = notice});
  for (int64_t i = 0; i < 100; ++i) writer.write(0, numbered(i));
  for (int64_t i = 0; i < 100; ++i) {
    writer.write(1, numbered(i));
    CHECK(other.read_line() + "\n" == numbered(i));
  }
}

TEST_CASE("lines of two streams that go to one place keep their order") {
  Pipe pipe;
  LineWriter writer({.descriptors = {pipe.writer(), pipe.writer()}, .notice = notice});
  for (size_t i = 0; i < 100; ++i) writer.write(i % 3 == 0 ? 1 : 0, str(i, "\n"));
  for (size_t i = 0; i < 100; ++i) CHECK(pipe.read_line() == str(i));
}

TEST_CASE("a reader that has gone costs the lines and nothing else") {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  LineWriter writer({.descriptors = {pipe.writer()}, .notice = notice});
  pipe.close_reader();
  for (int64_t i = 0; i < 100; ++i) writer.write(0, numbered(i));
  CHECK(writer.flush(kLong));
}

TEST_CASE("a line longer than a pipe's page comes out whole") {
  Pipe pipe;
  LineWriter writer({.descriptors = {pipe.writer()}, .notice = notice});
  const std::string line(100'000, 'x');
  writer.write(0, line + "\n");
  CHECK(pipe.read_line() == line);
}

}  // namespace pagoda
