// For tests: the ranks of a backend in one process.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backends/backends.h"
#include "base/error.h"
#include "comm/connect.h"
#include "comm/solo.h"
#include "models/test_runner.h"

namespace pagoda {

// Every instruction set that the CPU backend may have; a machine has some of them.
constexpr std::string_view kInstructionSets[] = {"portable",   "avx2", "avx512f",
                                                 "avx512bf16", "amx",  "neon"};

// A device of this backend, or none where the machine or the build lacks it.
inline std::unique_ptr<Device> try_open(const std::string& backend) {
  try {
    return open_device(backend, {.ordinal = 0, .threads = 2});
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kConfig) throw;
    return nullptr;
  }
}

// The reference, the same on a device of its own, and every instruction set of the CPU that this
// machine has.
inline std::vector<std::string> backends_here() {
  std::vector<std::string> names = {"ref", "ref:apart"};
  for (const std::string_view isa : kInstructionSets) {
    const std::string name = "cpu:" + std::string(isa);
    if (try_open(name) != nullptr) names.push_back(name);
  }
  return names;
}

// One rank of several: whatever fails is kept, and stops the others.
inline std::optional<Error> error_of_rank(CommunicatorGroup& group, int rank,
                                          const std::string& backend,
                                          const std::function<void(const TestRank&)>& job) {
  try {
    TestRank self = {open_device(backend, {.ordinal = rank, .threads = 1}), nullptr};
    self.communicator = group.join(rank, *self.device);
    job(self);
  } catch (const Error& e) {
    group.abort(e.what());
    return e;
  }
  return std::nullopt;
}

// job(rank) on one thread a rank. The first error of any rank is thrown once all have ended.
inline void run_ranks(const std::string& backend, int ranks,
                      const std::function<void(const TestRank&)>& job) {
  if (ranks == 1) {
    job({open_device(backend, {.ordinal = 0, .threads = 2}), std::make_unique<SoloCommunicator>()});
    return;
  }
  const auto group = connect_ranks(*open_device(backend, {.threads = 1}), ranks);
  std::vector<std::optional<Error>> errors(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  threads.reserve(errors.size());
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      errors[static_cast<size_t>(rank)] = error_of_rank(*group, rank, backend, job);
    });
  }
  for (std::thread& t : threads) t.join();
  for (const auto& error : errors) {
    if (error) throw Error(*error);
  }
}

}  // namespace pagoda
