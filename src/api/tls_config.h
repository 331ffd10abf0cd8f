// Which key and certificate the server shows, and what it asks of clients. A value, fixed once the
// server exists; the files may change, see Server::reload_tls().
#pragma once

#include <cstdint>
#include <string>

namespace pagoda {

// Python's ssl.CERT_NONE, CERT_OPTIONAL and CERT_REQUIRED, which --ssl-cert-reqs counts.
enum class ClientCertificate : uint8_t { kIgnored, kOptional, kRequired };

struct TlsConfig {
  std::string certificate_file;  // --ssl-certfile: PEM, the server's own first; empty: plain HTTP
  std::string key_file = {};     // --ssl-keyfile; empty: the key is in the file of the certificate
  std::string ca_file = {};      // --ssl-ca-certs: who signs clients' certificates
  ClientCertificate client = ClientCertificate::kIgnored;  // --ssl-cert-reqs
  bool refresh = false;  // --enable-ssl-refresh: the files are loaded again when they change

  bool is_on() const { return !certificate_file.empty(); }
  const std::string& file_of_key() const { return key_file.empty() ? certificate_file : key_file; }
};

}  // namespace pagoda
