// Where a server lets its clients send it: the special-purpose addresses of IANA's registries, and
// those at which clouds keep the secrets of a machine.
//
// Thread rule: pure function.
#pragma once

#include <sys/socket.h>

#include <cstdint>

namespace pagoda {

enum class AddressKind : uint8_t {
  kPublic,
  kPrivate,  // loopback, private, carrier, test, multicast, reserved
  kNever,    // link-local, or a cloud's metadata service
};

// An IPv4 address in the disguise of an IPv6 one counts as what it is.
AddressKind kind_of(const sockaddr& address);

// Which addresses a connection may go to.
enum class AddressPolicy : uint8_t {
  kAny,         // what the operator named
  kPublic,      // what a client named: kPublic alone
  kPrivateToo,  // what a client named: kPublic and kPrivate
};

}  // namespace pagoda
