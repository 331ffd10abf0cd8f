// Who connects the ranks of one model.
//
// Thread rule: before the ranks start; what it gives, as CommunicatorGroup.
#pragma once

#include <memory>

#include "tensor/communicator.h"
#include "tensor/device.h"

namespace pagoda {

// What `device`, which is like that of every rank, brings; else the threads of the ranks.
std::unique_ptr<CommunicatorGroup> connect_ranks(const Device& device, int ranks);

}  // namespace pagoda
