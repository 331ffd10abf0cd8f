// For tests: the devices of a world, whose allocations are counted, and of which the last fails
// when it is told to.
//
// Thread rule: as Device; a Watch from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "tensor/communicator.h"
#include "tensor/device.h"

namespace pagoda {

// What fails, with "the cable is out".
enum class WatchedFault {
  kNone,
  kCopy,        // whatever is copied to the device
  kCollective,  // the call of a collective
  // The device has a stream, and it ends before its next collective, of which the other ranks hear
  // nothing: whoever waits for it is told.
  kStream,
};

// What is known of the devices, and told to them. It outlives them.
struct Watch {
  std::atomic<WatchedFault> fault = WatchedFault::kNone;  // of the last rank
  std::atomic<int> allocations = 0;                       // of all
};

// Opens the devices of so many ranks.
std::function<std::unique_ptr<Device>(int rank)> watched_world(const std::string& backend,
                                                               int ranks, Watch& watch);

}  // namespace pagoda
