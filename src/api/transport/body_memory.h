// What the bodies of all requests together may take, from their arrival until they are answered.
//
// Thread rule: any thread; a Share belongs to one request.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace pagoda {

class BodyMemory {
 public:
  explicit BodyMemory(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Of one request, given back at its end.
  class Share {
   public:
    explicit Share(BodyMemory& memory) : memory_(memory) {}
    ~Share() { drop(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // False where that would be too much; the share counts all the same, until it is dropped.
    [[nodiscard]] bool grow_to(size_t bytes) {
      const size_t more = bytes - std::exchange(bytes_, bytes);
      return memory_.bytes_.fetch_add(more) + more <= memory_.most_bytes_;
    }
    void drop() { memory_.bytes_ -= std::exchange(bytes_, 0); }

   private:
    BodyMemory& memory_;
    size_t bytes_ = 0;
  };

 private:
  const size_t most_bytes_;
  std::atomic<size_t> bytes_{0};
};

}  // namespace pagoda
