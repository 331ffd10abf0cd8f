#include "engine/prefix_cache.h"

#include <openssl/evp.h>

#include <bit>

#include "base/error.h"
#include "base/must.h"

namespace pagoda {

struct BlockHasher::Sha256 {
  struct Free {
    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
    void operator()(EVP_MD_CTX* freed) const { EVP_MD_CTX_free(freed); }
  };
  std::unique_ptr<EVP_MD, Free> algorithm{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

BlockHasher::BlockHasher() : sha256_(std::make_unique<Sha256>()) {
  if (sha256_->algorithm == nullptr || sha256_->context == nullptr) {
    throw Error(ErrorKind::kConfig,
                "OpenSSL: SHA-256 is not there, which prefix caching needs; see openssl.cnf, or "
                "switch it off with --no-enable-prefix-caching");
  }
}

BlockHasher::~BlockHasher() = default;

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
  EVP_MD_CTX* context = sha256_->context.get();
  const bool done =
      EVP_DigestInit_ex2(context, sha256_->algorithm.get(), nullptr) == 1 &&
      EVP_DigestUpdate(context, first.data(), first.size()) == 1 &&
      EVP_DigestUpdate(context, second.data(), second.size()) == 1 &&
      EVP_DigestUpdate(context, third.data(), third.size()) == 1 &&
      EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(hash.data()), &size) == 1;
  MUST(done && size == sizeof hash);
  return hash;
}

PrefixCache::PrefixCache(BlockPool& pool)
    : pool_(pool),
      entries_(static_cast<size_t>(pool.num_blocks())),
      chains_(std::bit_ceil(entries_.size() + 1)) {}

std::optional<BlockId> PrefixCache::locate(const BlockHash& hash) {
  std::optional<BlockId> at = chain(hash);
  while (at && entry(*at).hash != hash) at = entry(*at).next;
  return at;
}

void PrefixCache::remove(BlockId block) {
  Entry& gone = entry(block);
  std::optional<BlockId>* link = &chain(gone.hash);
  while (*link != block) link = &entry(**link).next;
  *link = gone.next;
  gone = {};
}

bool PrefixCache::knows(const BlockHash& hash) {
  const std::optional<BlockId> found = locate(hash);
  return found && is_alive(*found);
}

std::optional<BlockRef> PrefixCache::find(const BlockHash& hash) {
  const std::optional<BlockId> found = locate(hash);
  if (!found || !is_alive(*found)) return std::nullopt;
  return pool_.share(*found);
}

void PrefixCache::insert(const BlockHash& hash, BlockId block) {
  const std::optional<BlockId> found = locate(hash);
  if (found && is_alive(*found)) return;
  if (found) remove(*found);
  if (entry(block).is_there) remove(block);
  std::optional<BlockId>& first = chain(hash);
  entry(block) = {
      .is_there = true, .hash = hash, .generation = pool_.generation(block), .next = first};
  first = block;
  pool_.keep(block);
}

void PrefixCache::clear() {
  for (Entry& one : entries_) one = {};
  for (std::optional<BlockId>& first : chains_) first.reset();
  pool_.keep_none();
}

}  // namespace pagoda
