// Keys and certificates for tests, made on the spot, and a client that checks them.
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "api/transport/test_server.h"

namespace pagoda {

template <auto free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using TestBio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

// A certificate with its key.
struct TestIdentity {
  std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>> key;
  std::unique_ptr<X509, FreeWith<X509_free>> certificate;

  std::string certificate_text() const {
    const TestBio out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate.get());
    return text_in(out.get());
  }
  // Encrypted where there is a password.
  std::string key_text(const std::string& password = {}) const {
    const TestBio out(BIO_new(BIO_s_mem()));
    const bool is_plain = password.empty();
    PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), is_plain ? nullptr : EVP_aes_256_cbc(),
                                  is_plain ? nullptr : password.data(),
                                  static_cast<int>(password.size()), nullptr, nullptr);
    return text_in(out.get());
  }

 private:
  static std::string text_in(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return {text, static_cast<size_t>(size)};
  }
};

inline void add_extension(X509* certificate, int kind, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
  REQUIRE(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

enum class Signs : uint8_t { kNobody, kOthers };

// For 127.0.0.1 and localhost, signed by `issuer`, or by itself where there is none.
inline TestIdentity make_identity(const std::string& name, const TestIdentity* issuer = nullptr,
                                  Signs signs = Signs::kNobody) {
  constexpr long kDay = 24L * 60 * 60;
  TestIdentity made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.certificate.reset(X509_new());
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  static long serial = 1;  // an issuer numbers what it signs
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), kDay);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(
      certificate, issuer == nullptr ? subject : X509_get_subject_name(issuer->certificate.get()));
  add_extension(certificate, NID_basic_constraints,
                signs == Signs::kOthers ? "critical,CA:TRUE" : "CA:FALSE");
  add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  REQUIRE(X509_sign(certificate, issuer == nullptr ? made.key.get() : issuer->key.get(),
                    EVP_sha256()) > 0);
  return made;
}

// Speaks TLS to 127.0.0.1, trusts one issuer, and shows a certificate if it has one.
class TlsClient : public Client {
 public:
  TlsClient(uint16_t port, const TestIdentity& trusted, const TestIdentity* own = nullptr)
      : Client(port), context_(SSL_CTX_new(TLS_client_method())) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), trusted.certificate.get());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (own != nullptr) {
      SSL_CTX_use_certificate(context_.get(), own->certificate.get());
      SSL_CTX_use_PrivateKey(context_.get(), own->key.get());
    }
    ssl_.reset(SSL_new(context_.get()));
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), "127.0.0.1");
    SSL_set_fd(ssl_.get(), socket());
    ERR_clear_error();
    is_connected_ = SSL_connect(ssl_.get()) == 1;
  }

  bool is_connected() const { return is_connected_; }
  std::string shown_name() const {
    char name[100] = {};
    const X509* shown = SSL_get0_peer_certificate(ssl_.get());
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
    return name;
  }
  // Whether the server said that nothing was cut off.
  bool was_told_the_end() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  // OpenSSL's reason for the last failure, and forgets it.
  static std::string reason() {
    const char* text = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return text == nullptr ? "" : text;
  }

 private:
  ssize_t put(std::string_view bytes) override {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  ssize_t take(std::span<char> bytes) override {
    return SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }

  std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, FreeWith<SSL_free>> ssl_;
  bool is_connected_ = false;
};

}  // namespace pagoda
