#include "api/transport/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

// What OpenSSL gives out, each with the function that takes it back.
template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Bytes = std::unique_ptr<BIO, Free<BIO_free_all>>;

constexpr std::string_view kCertificateOption = "--ssl-certfile";
constexpr std::string_view kKeyOption = "--ssl-keyfile";
constexpr std::string_view kCaOption = "--ssl-ca-certs";

[[noreturn]] void refuse(std::string_view option, const std::string& file, std::string_view reason,
                         std::string_view remedy) {
  ERR_clear_error();
  throw Error(ErrorKind::kConfig, str(option, ": \"", file, "\" ", reason, "; ", remedy));
}

// The first of OpenSSL's reasons: it names the cause, the later ones name who passed it on.
std::string reason_of_openssl() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return reason == nullptr ? "OpenSSL gives no reason" : reason;
}

// OpenSSL's own words for a file that cannot be opened do not name it.
void check_readable(std::string_view option, const std::string& file) {
  const std::ifstream stream(file);
  if (stream.good()) return;
  refuse(option, file, str("cannot be read: ", std::strerror(errno)),
         "give a file in PEM form that the server's user may read");
}

// Nobody is there to type one.
int no_password(char* /*text*/, int /*size*/, int /*is_written*/, void* is_asked) {
  *static_cast<bool*>(is_asked) = true;
  return -1;
}

Key read_key(const std::string& file) {
  check_readable(kKeyOption, file);
  const Bytes bytes(BIO_new_file(file.c_str(), "r"));
  bool is_encrypted = false;
  Key key(bytes ? PEM_read_bio_PrivateKey(bytes.get(), nullptr, no_password, &is_encrypted)
                : nullptr);
  if (key) return key;
  if (is_encrypted) {
    refuse(kKeyOption, file, "holds a key that is encrypted with a password",
           "write it without one: openssl pkey -in ENCRYPTED -out PLAIN");
  }
  refuse(kKeyOption, file, str("holds no private key in PEM form (", reason_of_openssl(), ")"),
         "give the file that begins with -----BEGIN PRIVATE KEY-----");
}

void use_certificate(SSL_CTX* context, const std::string& file) {
  check_readable(kCertificateOption, file);
  if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) == 1) return;
  refuse(kCertificateOption, file,
         str("holds no certificate in PEM form that can be used (", reason_of_openssl(), ")"),
         "give the server's certificate, followed by those between it and its root");
}

void use_key(SSL_CTX* context, const TlsConfig& config) {
  const std::string& file = config.file_of_key();
  const Key key = read_key(file);
  const X509* certificate = SSL_CTX_get0_certificate(context);
  if (X509_check_private_key(certificate, key.get()) != 1) {
    refuse(kKeyOption, file,
           str("does not fit the certificate in \"", config.certificate_file, "\""),
           "give the key that the certificate was made for");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) == 1) return;
  refuse(kKeyOption, file, str("holds a key that cannot be used (", reason_of_openssl(), ")"),
         "make a new key and certificate");
}

void use_ca(SSL_CTX* context, const TlsConfig& config) {
  if (config.ca_file.empty()) return;
  check_readable(kCaOption, config.ca_file);
  // Clients that have several certificates choose one by these names.
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(config.ca_file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, config.ca_file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    refuse(kCaOption, config.ca_file,
           str("holds no certificates in PEM form (", reason_of_openssl(), ")"),
           "give those that clients' certificates are signed with");
  }
  SSL_CTX_set_client_CA_list(context, names);
}

int verify_mode_of(ClientCertificate client) {
  switch (client) {
    case ClientCertificate::kIgnored: return SSL_VERIFY_NONE;
    case ClientCertificate::kOptional: return SSL_VERIFY_PEER;
    case ClientCertificate::kRequired: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  return SSL_VERIFY_PEER;
}

// A client that speaks several protocols learns which one is spoken here (RFC 7301).
// NOLINTNEXTLINE(readability-function-size): OpenSSL says how many parameters
int choose_protocol(SSL* /*connection*/, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned int offered_size, void* /*unused*/) {
  static constexpr std::array<unsigned char, 9> kOurs = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs.data(), kOurs.size(), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string text_of(const ASN1_TIME* time) {
  const Bytes bytes(BIO_new(BIO_s_mem()));
  ASN1_TIME_print(bytes.get(), time);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bytes.get(), &text);
  return {text, static_cast<size_t>(size)};
}

void log_certificate(SSL_CTX* context, const TlsConfig& config) {
  const X509* certificate = SSL_CTX_get0_certificate(context);
  const ASN1_TIME* from = X509_get0_notBefore(certificate);
  const ASN1_TIME* until = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(from) > 0 || X509_cmp_current_time(until) < 0) {
    LOG_WARNING("TLS: clients will refuse the certificate in {}: it is valid from {} to {} only",
                config.certificate_file, text_of(from), text_of(until));
    return;
  }
  LOG_INFO("TLS: the certificate in {} is valid until {}", config.certificate_file, text_of(until));
}

TlsContextHandle load(const TlsConfig& config) {
  ERR_clear_error();
  TlsContextHandle made(SSL_CTX_new(TLS_server_method()));
  MUST(made != nullptr);
  SSL_CTX* context = made.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  // Without it OpenSSL refuses to resume the session of a client that showed a certificate.
  static constexpr std::array<unsigned char, 6> kSessions = {'p', 'a', 'g', 'o', 'd', 'a'};
  SSL_CTX_set_session_id_context(context, kSessions.data(), kSessions.size());
  use_certificate(context, config.certificate_file);
  use_key(context, config);
  use_ca(context, config);
  SSL_CTX_set_verify(context, verify_mode_of(config.client), nullptr);
  log_certificate(context, config);
  return made;
}

}  // namespace

TlsContext::TlsContext(const TlsConfig& config) : config_(config), newest_(load(config)) {}

void TlsContext::reload() {
  TlsContextHandle made = load(config_);
  const MutexLock lock(mutex_);
  newest_.swap(made);
}

TlsContextHandle TlsContext::current() const {
  const MutexLock lock(mutex_);
  SSL_CTX_up_ref(newest_.get());
  return TlsContextHandle(newest_.get());
}

}  // namespace pagoda
