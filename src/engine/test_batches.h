// For tests: whether what a request answers is the same bits alone in a fresh
// engine and in any company: whatever is computed beside it, however its prompt is cut, whether it
// is found in the cache, preempted, or run by more threads, and however many steps are in flight.
//
// Requests arrive and are cancelled while the engine runs on its own thread, so no two runs batch
// alike; what is checked must hold for all of them. Compiled into each test that uses it.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/config.h"
#include "engine/engine_client.h"

namespace pagoda {

constexpr int32_t kBatchVocab = 333;   // of the model, at least
constexpr int64_t kBatchHidden = 144;  // of the model

struct BatchTest {
  ModelDefinition model;
  std::string backend;
  int ranks = 1;
};
// With random weights, for requests of up to 256 tokens.
EngineConfig fresh_config(const BatchTest& test);

// NaN everywhere is the same bits, too: the sampler says -9999 of it, and random weights give
// nearly flat logits.
bool is_of_numbers(const TokenLogprobs& logprobs);

struct Happened {
  int64_t preemptions = 0, prefix_hits = 0;
};
// So many engines, each set up by chance, run the same requests in some order.
Happened check_batches(const BatchTest& test, uint32_t rounds);

}  // namespace pagoda
