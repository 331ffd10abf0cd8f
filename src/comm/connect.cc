#include "comm/connect.h"

#include "comm/solo.h"
#include "comm/thread_communicator.h"

namespace pagoda {
namespace {

// One rank waits for nobody.
class SoloGroup final : public CommunicatorGroup {
 public:
  std::unique_ptr<Communicator> join(int /*rank*/, Device& /*device*/) override {
    return std::make_unique<SoloCommunicator>();
  }
  void abort(const std::string& /*reason*/) override {}
};

}  // namespace

std::unique_ptr<CommunicatorGroup> connect_ranks(const Device& device, int ranks) {
  if (auto group = device.connect(ranks)) return group;
  if (ranks == 1) return std::make_unique<SoloGroup>();
  return std::make_unique<ThreadGroup>(ranks);
}

}  // namespace pagoda
