// For tests: how often the program has taken memory from the system.
//
// The functions that do so are replaced for the whole program that links this: the heap's, which
// operator new and C libraries call, and mmap, which buffers come from.
//
// Thread rule: any thread; counts all of them.
#pragma once

#include <cstdint>

namespace pagoda {

// Since the program began.
int64_t num_allocations();

// Sanitizers have functions of their own in the place of these: then nothing is counted.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCountsAllocations = false;
#else
constexpr bool kCountsAllocations = true;
#endif

}  // namespace pagoda
