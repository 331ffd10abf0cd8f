#include "cli/shutdown.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

// timeout(1) and others send a signal to the process and to its group, so that it comes twice; no
// person is that quick.
constexpr std::chrono::milliseconds kEcho{200};

int opened(int descriptor, const char* what) {
  if (descriptor >= 0) return descriptor;
  throw Error(ErrorKind::kDevice, str(what, ": ", std::strerror(errno)));
}

void make_readable(int event) {
  const uint64_t one = 1;
  MUST(write(event, &one, sizeof one) == sizeof one);
}

void wait_until_readable(int descriptor) {
  pollfd wanted = {descriptor, POLLIN, 0};
  while (poll(&wanted, 1, -1) < 0 && errno == EINTR) {
  }
}

// The log is given a moment; whoever does not read it holds up nothing.
[[noreturn]] void end_at_once(int exit_code) {
  flush_log(kLastWords);
  std::_Exit(exit_code);
}

// An end that fails half way: a second signal still ends the program.
void end(const std::function<void()>& politely) {
  try {
    politely();
  } catch (const std::exception& e) {
    LOG_ERROR("the program cannot end politely: {}; the same signal again ends it at once",
              e.what());
  }
}

const char* name_of(int signal) {
  return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

}  // namespace

Shutdown::Shutdown() {
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGINT);
  sigaddset(&ours, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ours, &before_);
  signals_ = opened(signalfd(-1, &ours, SFD_CLOEXEC), "signalfd");
  over_ = opened(eventfd(0, EFD_CLOEXEC), "eventfd");
  first_taken_ = opened(eventfd(0, EFD_CLOEXEC), "eventfd");
  watching_ = std::thread([this] { watch(); });
}

Shutdown::~Shutdown() {
  make_readable(over_);
  watching_.join();
  for (const int descriptor : {signals_, over_, first_taken_}) close(descriptor);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Shutdown::PoliteEnd::PoliteEnd(Shutdown& shutdown, std::function<void()> politely)
    : shutdown_(shutdown) {
  const MutexLock lock(shutdown_.mutex_);
  shutdown_.politely_ = std::move(politely);
}

Shutdown::PoliteEnd::~PoliteEnd() {
  std::thread ending;
  {
    const MutexLock lock(shutdown_.mutex_);
    shutdown_.politely_ = nullptr;
    ending.swap(shutdown_.ending_);
  }
  if (ending.joinable()) ending.join();
}

void Shutdown::wait_for_signal() {
  wait_until_readable(first_taken_);
}

void Shutdown::watch() {
  pollfd wanted[] = {{signals_, POLLIN, 0}, {over_, POLLIN, 0}};
  while (true) {
    if (poll(wanted, 2, -1) < 0) continue;
    if (wanted[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals_, &info, sizeof info) == sizeof info) take(static_cast<int>(info.ssi_signo));
  }
}

void Shutdown::take(int signal) {
  const auto now = std::chrono::steady_clock::now();
  if (!first_time_) {
    first_time_ = now;
    return end_first_time(signal);
  }
  if (now - *first_time_ < kEcho) return;
  LOG_WARNING("{} once more: ending at once.", name_of(signal));
  end_at_once(128 + signal);
}

void Shutdown::end_first_time(int signal) {
  const MutexLock lock(mutex_);
  if (!politely_) {
    LOG_INFO("{}: nothing is served, so ending at once.", name_of(signal));
    end_at_once(EXIT_SUCCESS);
  }
  LOG_INFO("{}: shutting down. A second one ends the program at once.", name_of(signal));
  make_readable(first_taken_);
  try {
    ending_ = std::thread([politely = politely_] { end(politely); });
  } catch (const std::exception& e) {
    LOG_ERROR("there is no thread to end politely on, so ending at once: {}", e.what());
    end_at_once(meaning_of(ErrorKind::kDevice).exit_code);
  }
}

}  // namespace pagoda
