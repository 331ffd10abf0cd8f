#include "tensor/buffer.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

Buffer reserve_host_memory(int64_t bytes) {
  if (bytes == 0) return {};
  void* data = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    throw Error(ErrorKind::kDevice, str("host memory: the system refuses ", bytes, " bytes (",
                                        std::strerror(errno), "); see ulimit -v"));
  }
  // Large pages where the system gives them: weights and caches are read in long runs.
  madvise(data, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return {data, bytes, [](void* p, int64_t n) { munmap(p, static_cast<size_t>(n)); }};
}

}  // namespace pagoda
