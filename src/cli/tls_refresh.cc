#include "cli/tls_refresh.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

// Between two looks at the files; each costs some microseconds.
constexpr int kLookMs = 1000;

sigset_t hangup_only() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  return set;
}

int opened(int descriptor, const char* what) {
  if (descriptor >= 0) return descriptor;
  throw Error(ErrorKind::kDevice, str(what, ": ", std::strerror(errno)));
}

// Whether there is a terminal that can hang up.
bool has_terminal() {
  const int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return false;
  close(terminal);
  return true;
}

bool takes_hangup(const TlsConfig& config) {
  return config.is_on() || !has_terminal();
}

std::vector<std::string> files_of(const TlsConfig& config) {
  std::vector<std::string> files = {config.certificate_file, config.file_of_key()};
  if (!config.ca_file.empty()) files.push_back(config.ca_file);
  return files;
}

}  // namespace

FileChanges::FileChanges(std::vector<std::string> files)
    : files_(std::move(files)), marked_(look()), seen_(marked_) {}

std::vector<FileChanges::Stamp> FileChanges::look() const {
  std::vector<Stamp> stamps;
  for (const std::string& file : files_) {
    struct stat found {};  // stays so where there is none
    if (stat(file.c_str(), &found) != 0) found = {};
    const int64_t changed_ns = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec;
    stamps.push_back({found.st_dev, found.st_ino, found.st_size, changed_ns});
  }
  return stamps;
}

bool FileChanges::have_settled() {
  std::vector<Stamp> now = look();
  const bool settled = now != marked_ && now == seen_;
  seen_ = std::move(now);
  return settled;
}

void FileChanges::mark() {
  marked_ = seen_ = look();
}

void block_hangup(const TlsConfig& config) {
  if (!takes_hangup(config)) return;
  const sigset_t hangup = hangup_only();
  pthread_sigmask(SIG_BLOCK, &hangup, nullptr);
}

TlsRefresh::TlsRefresh(const TlsConfig& config, std::function<void()> reload)
    : config_(config), reload_(std::move(reload)), changes_(files_of(config)) {
  if (!takes_hangup(config)) return;
  const sigset_t hangup = hangup_only();
  signals_ = opened(signalfd(-1, &hangup, SFD_CLOEXEC), "signalfd");
  over_ = opened(eventfd(0, EFD_CLOEXEC), "eventfd");
  watching_ = std::thread([this] { watch(); });
}

TlsRefresh::~TlsRefresh() {
  if (!watching_.joinable()) return;
  const uint64_t one = 1;
  MUST(write(over_, &one, sizeof one) == sizeof one);
  watching_.join();
  close(signals_);
  close(over_);
}

void TlsRefresh::watch() {
  pollfd wanted[] = {{signals_, POLLIN, 0}, {over_, POLLIN, 0}};
  const int wait_ms = config_.is_on() && config_.refresh ? kLookMs : -1;
  while (true) {
    const int ready = poll(wanted, 2, wait_ms);
    if (ready < 0) continue;
    if (wanted[1].revents != 0) return;
    if (wanted[0].revents != 0) {
      take_hangup();
    } else if (ready == 0 && changes_.have_settled()) {
      reload("TLS files have changed");
    }
  }
}

void TlsRefresh::take_hangup() {
  signalfd_siginfo info;
  if (read(signals_, &info, sizeof info) != sizeof info) return;
  if (config_.is_on()) {
    reload("SIGHUP");
  } else {
    LOG_INFO("SIGHUP changes nothing: without --ssl-certfile no file is loaded again.");
  }
}

void TlsRefresh::reload(const char* reason) {
  changes_.mark();
  try {
    reload_();
    LOG_INFO("{}: new connections get key and certificate as the files have them now.", reason);
  } catch (const std::exception& e) {
    LOG_ERROR("{}: key and certificate stay as they were: {}", reason, e.what());
  }
}

}  // namespace pagoda
