// Memory that the host cannot touch: its addresses fault, and the stream works on other memory in
// their place, which only this class can name.
//
// New memory is all ones, which is NaN in every float dtype and -1 as a number. Whatever is handed
// to the device is looked up, so memory of the host, memory that was freed and views that end
// behind their buffer are refused.
//
// Thread rule: one thread at a time, that of the device's rank while it works.
#pragma once

#include <cstdint>
#include <map>

#include "backends/ref/apart_stream.h"
#include "tensor/buffer.h"
#include "tensor/tensor.h"

namespace pagoda::ref {

class ApartMemory {
 public:
  // Freeing waits for the stream. Buffers go before this object does.
  explicit ApartMemory(ApartStream& stream);
  ~ApartMemory();
  ApartMemory(const ApartMemory&) = delete;
  ApartMemory& operator=(const ApartMemory&) = delete;

  Buffer allocate(int64_t bytes);
  Buffer allocate_host(int64_t bytes);
  int64_t allocated_bytes() const { return allocated_bytes_; }  // of allocate()

  // The tensor where the stream finds it; an empty one is nowhere. Throws kDevice where it does not
  // lie within one buffer of allocate().
  Tensor reached(Tensor device) const;
  // Throws kDevice where these bytes do not lie within one buffer of allocate_host().
  void check_host(const void* data, int64_t bytes) const;

 private:
  struct Block {
    int64_t bytes;
    std::byte* reached;  // by the stream; null: host memory, which it reaches where it is
  };
  Buffer keep(void* data, const Block& block);
  void free(void* data, int64_t bytes);
  // Of the block that these bytes lie in, of the device or of the host; null: there is none.
  std::map<const std::byte*, Block>::const_iterator find(const void* data, int64_t bytes) const;

  ApartStream& stream_;
  const int ones_;                            // a file that new memory is a private copy of
  std::map<const std::byte*, Block> blocks_;  // by where they begin
  int64_t allocated_bytes_ = 0;
};

}  // namespace pagoda::ref
