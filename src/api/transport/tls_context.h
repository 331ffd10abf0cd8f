// The server's key and certificate, as OpenSSL has them, and their replacement while connections
// run: those go on with what they began with.
//
// Thread rule: any thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "api/tls_config.h"
#include "base/mutex.h"

namespace pagoda {

struct FreeTlsContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContextHandle = std::unique_ptr<SSL_CTX, FreeTlsContext>;

class TlsContext {
 public:
  // Throws kConfig naming the option, the file, the reason and the remedy.
  explicit TlsContext(const TlsConfig& config);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Reads the files again. Throws as the constructor does, and then keeps what it has.
  void reload();
  // What a new connection begins with: one more reference to the newest.
  TlsContextHandle current() const;

 private:
  const TlsConfig config_;
  mutable Mutex mutex_;
  TlsContextHandle newest_ GUARDED_BY(mutex_);
};

}  // namespace pagoda
