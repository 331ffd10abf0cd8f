#include "backends/ref/apart_ops.h"

#include "base/error.h"
#include "base/str.h"

namespace pagoda::ref {

KvLayer ApartOps::at(KvLayer cache) const {
  if (cache.block_size != kBlockSize) {
    throw Error(ErrorKind::kDevice, str("ref:apart: KV blocks of ", cache.block_size,
                                        " tokens, where kv_block_size() says ", kBlockSize));
  }
  cache.blocks = at(cache.blocks);
  return cache;
}

Attention ApartOps::at(Attention call) const {
  call.out = at(call.out);
  call.q = at(call.q);
  call.cache = at(call.cache);
  call.index = {.block_table = at(call.index.block_table),
                .query_offsets = at(call.index.query_offsets),
                .kv_lengths = at(call.index.kv_lengths)};
  call.sinks = at(call.sinks);
  return call;
}

SegmentAttention ApartOps::at(SegmentAttention call) const {
  call.out = at(call.out);
  call.q = at(call.q);
  call.k = at(call.k);
  call.v = at(call.v);
  call.offsets = at(call.offsets);
  return call;
}

ExpertProduct ApartOps::at(ExpertProduct call) const {
  call.out = at(call.out);
  call.x = at(call.x);
  call.offsets = at(call.offsets);
  call.rows = at(call.rows);
  return call;
}

Routing ApartOps::at(Routing routing) const {
  return {.experts = at(routing.experts),
          .weights = at(routing.weights),
          .places = at(routing.places),
          .rows = at(routing.rows),
          .offsets = at(routing.offsets)};
}

}  // namespace pagoda::ref
