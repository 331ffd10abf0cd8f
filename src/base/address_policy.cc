#include "base/address_policy.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace pagoda {
namespace {

struct Cidr {
  uint32_t network;
  int bits;
};

constexpr uint32_t ip(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Cidr kNever4[] = {
    {ip(169, 254, 0, 0), 16},      // link-local, among it most clouds' metadata
    {ip(100, 100, 100, 200), 32},  // Alibaba's, at a carrier address
    {ip(168, 63, 129, 16), 32},    // Azure's, at a public one
    {ip(192, 0, 0, 192), 32},      // Oracle's
};
// IANA's special-purpose registry: this host, private, carrier, loopback, protocols, test and
// documentation, multicast, reserved.
constexpr Cidr kPrivate4[] = {
    {ip(0, 0, 0, 0), 8},       {ip(10, 0, 0, 0), 8},     {ip(100, 64, 0, 0), 10},
    {ip(127, 0, 0, 0), 8},     {ip(172, 16, 0, 0), 12},  {ip(192, 0, 0, 0), 24},
    {ip(192, 0, 2, 0), 24},    {ip(192, 168, 0, 0), 16}, {ip(198, 18, 0, 0), 15},
    {ip(198, 51, 100, 0), 24}, {ip(203, 0, 113, 0), 24}, {ip(224, 0, 0, 0), 3}};

bool within_any(uint32_t address, std::span<const Cidr> blocks) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Cidr& block) {
    return (address ^ block.network) >> (32 - block.bits) == 0;
  });
}

AddressKind kind_of_v4(uint32_t address) {
  if (within_any(address, kNever4)) return AddressKind::kNever;
  return within_any(address, kPrivate4) ? AddressKind::kPrivate : AddressKind::kPublic;
}

using Bytes6 = std::array<uint8_t, 16>;

struct Prefix {
  std::array<uint8_t, 12> bytes;
  int bits;
};

bool has_prefix(const Bytes6& address, const Prefix& prefix) {
  for (int bit = 0; bit < prefix.bits; ++bit) {
    const auto byte = static_cast<size_t>(bit / 8);
    if (((address[byte] ^ prefix.bytes[byte]) & (0x80 >> bit % 8)) != 0) return false;
  }
  return true;
}

bool has_any_prefix(const Bytes6& address, std::span<const Prefix> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const Prefix& prefix) { return has_prefix(address, prefix); });
}

constexpr Prefix kNever6[] = {
    {{0xFE, 0x80}, 10},              // link-local
    {{0xFD, 0x00, 0x0E, 0xC2}, 32},  // Amazon's metadata
    {{0xFD, 0x20, 0x00, 0xCE}, 32},  // Google's
};
constexpr Prefix kPrivate6[] = {
    {{0xFC}, 7},                                       // unique local
    {{0xFE, 0xC0}, 10},                                // site-local
    {{0xFF}, 8},                                       // multicast
    {{0x20, 0x01, 0x00, 0x00}, 32},                    // Teredo
    {{0x20, 0x01, 0x0D, 0xB8}, 32},                    // documentation
    {{0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01}, 48},        // a network's own NAT64
    {{0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00}, 64},  // discard
};
// IPv4 addresses in the last four bytes: compatible (among them :: and ::1), mapped, translated,
// NAT64.
constexpr Prefix kEmbedded[] = {
    {{}, 96},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0}, 96},
    {{0x00, 0x64, 0xFF, 0x9B}, 96},
    {{0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01}, 48},
};
constexpr Prefix k6to4 = {{0x20, 0x02}, 16};

AddressKind kind_of_v6(const Bytes6& a) {
  if (has_any_prefix(a, kNever6)) return AddressKind::kNever;
  AddressKind kind = AddressKind::kPublic;
  if (has_any_prefix(a, kEmbedded)) kind = kind_of_v4(ip(a[12], a[13], a[14], a[15]));
  if (has_prefix(a, k6to4)) kind = kind_of_v4(ip(a[2], a[3], a[4], a[5]));
  return std::max(kind,
                  has_any_prefix(a, kPrivate6) ? AddressKind::kPrivate : AddressKind::kPublic);
}

}  // namespace

AddressKind kind_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return kind_of_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    Bytes6 bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return kind_of_v6(bytes);
  }
  return AddressKind::kNever;  // no other family has business here
}

}  // namespace pagoda
