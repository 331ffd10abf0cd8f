#include "base/address_policy.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <string>

namespace pagoda {
namespace {

AddressKind kind(const std::string& text) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
  } else {
    REQUIRE(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1);
    v6.sin6_family = AF_INET6;
  }
  return kind_of(reinterpret_cast<sockaddr&>(storage));
}

TEST_CASE("addresses of the internet are public") {
  for (const char* text :
       {"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1",
        "169.253.0.1", "192.167.1.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
        "2002:808:808::1", "64:ff9b::808:808", "::ffff:8.8.8.8"}) {
    CAPTURE(text);
    CHECK(kind(text) == AddressKind::kPublic);
  }
}

TEST_CASE("loopback, private and reserved ones are private, in every disguise") {
  for (const char* text : {"127.0.0.1",
                           "127.255.1.2",
                           "0.0.0.0",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "100.64.0.1",
                           "198.18.0.1",
                           "203.0.113.5",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::127.0.0.1",
                           "::ffff:127.0.0.1",
                           "::ffff:0:10.0.0.1",
                           "64:ff9b::a00:1",
                           "64:ff9b:1::808:808",
                           "2002:7f00:1::",
                           "2002:c0a8:101::1",
                           "2001:0:1::1",
                           "2001:db8::1",
                           "fc00::1",
                           "fd12:3456::1",
                           "fec0::1",
                           "ff02::1",
                           "100::1"}) {
    CAPTURE(text);
    CHECK(kind(text) == AddressKind::kPrivate);
  }
}

TEST_CASE("link-local and metadata addresses are a kind of their own, in every disguise") {
  for (const char* text :
       {"169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "fe80::1", "febf::1", "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254",
        "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::"}) {
    CAPTURE(text);
    CHECK(kind(text) == AddressKind::kNever);
  }
}

}  // namespace
}  // namespace pagoda
