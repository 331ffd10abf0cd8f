// Lets the server load key and certificate again while it runs: at SIGHUP, and with
// --enable-ssl-refresh when a file has changed.
//
// Thread rule: block_hangup() in main before any other thread is started, because the signal is
// blocked there and in every thread that comes from it; a TlsRefresh has a thread of its own, on
// which `reload` runs.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "api/tls_config.h"

namespace pagoda {

// Notices that files have changed, by looking at them now and then: that works for mounted folders
// and for chains of links too, where the system tells nobody.
class FileChanges {
 public:
  explicit FileChanges(std::vector<std::string> files);

  // Whether they differ from what they were at the last mark(), and are the same as one look ago:
  // key and certificate are replaced one after the other.
  [[nodiscard]] bool have_settled();
  void mark();

 private:
  struct Stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    int64_t changed_ns;
    bool operator==(const Stamp&) const = default;
  };
  std::vector<Stamp> look() const;

  const std::vector<std::string> files_;
  std::vector<Stamp> marked_, seen_;
};

// Where there is no TLS, SIGHUP ends the program as it does any other if it has a terminal, which
// may have hung up; a service has none, and must outlive `systemctl reload`.
void block_hangup(const TlsConfig& config);

class TlsRefresh {
 public:
  // `reload` throws Error where the files are wrong; that is logged, and the server goes on.
  TlsRefresh(const TlsConfig& config, std::function<void()> reload);
  ~TlsRefresh();
  TlsRefresh(const TlsRefresh&) = delete;
  TlsRefresh& operator=(const TlsRefresh&) = delete;

 private:
  void watch();
  void take_hangup();
  void reload(const char* reason);

  const TlsConfig config_;
  const std::function<void()> reload_;
  FileChanges changes_;  // watching thread
  int signals_ = -1;     // signalfd
  int over_ = -1;        // eventfd: the watching thread shall end
  std::thread watching_;
};

}  // namespace pagoda
