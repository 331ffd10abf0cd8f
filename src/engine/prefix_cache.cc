#include "engine/prefix_cache.h"

#include <bit>

#include "base/error.h"
#include "base/must.h"

namespace pagoda {

BlockHasher::BlockHasher()
    : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
  if (algorithm_ == nullptr || context_ == nullptr) {
    throw Error(ErrorKind::kConfig,
                "OpenSSL: SHA-256 is not there, which prefix caching needs; see openssl.cnf, or "
                "switch it off with --no-enable-prefix-caching");
  }
}

// The salt goes in behind its length: a small number, which the hash that begins a block's input is
// not, so that a salt cannot pose as a block.
BlockHash BlockHasher::root(std::string_view salt) {
  const std::array<uint64_t, 1> size = {salt.size()};
  return digest(std::as_bytes(std::span(size)), std::as_bytes(std::span(salt)));
}

BlockHash BlockHasher::next(const BlockHash& parent, std::span<const TokenId> tokens,
                            std::span<const BlockPicture> pictures) {
  return digest(std::as_bytes(std::span(parent)), std::as_bytes(tokens), std::as_bytes(pictures));
}

BlockHash BlockHasher::digest(Bytes first, Bytes second, Bytes third) {
  BlockHash hash = {};
  unsigned size = 0;
  const bool done =
      EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1 &&
      EVP_DigestUpdate(context_.get(), first.data(), first.size()) == 1 &&
      EVP_DigestUpdate(context_.get(), second.data(), second.size()) == 1 &&
      EVP_DigestUpdate(context_.get(), third.data(), third.size()) == 1 &&
      EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(hash.data()), &size) == 1;
  MUST(done && size == sizeof hash);
  return hash;
}

std::optional<BlockRef> PrefixCache::find(const BlockHash& hash) {
  const auto found = entries_.find(hash);
  if (found == entries_.end() || !is_alive(found->second)) return std::nullopt;
  return pool_.share(found->second.block);
}

void PrefixCache::insert(const BlockHash& hash, BlockId block) {
  const auto found = entries_.find(hash);
  if (found != entries_.end() && is_alive(found->second)) return;
  if (found != entries_.end()) {
    hash_of_block_[static_cast<size_t>(found->second.block.value())].reset();
    entries_.erase(found);
  }
  std::optional<BlockHash>& before = hash_of_block_[static_cast<size_t>(block.value())];
  if (before) entries_.erase(*before);
  before = hash;
  entries_.emplace(hash, Entry{block, pool_.generation(block)});
  pool_.keep(block);
}

void PrefixCache::clear() {
  entries_.clear();
  for (std::optional<BlockHash>& hash : hash_of_block_) hash.reset();
  pool_.keep_none();
}

}  // namespace pagoda
