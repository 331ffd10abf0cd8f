#include "vision/picture.h"

#include <openssl/evp.h>

#include <unordered_map>
#include <utility>

#include "base/must.h"
#include "base/mutex.h"

namespace pagoda {
namespace {

struct Free {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Picture make_picture(Image image) {
  Picture picture = {.image = std::move(image), .hash = {}};
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  const std::array<int64_t, 2> size = {picture.image.width, picture.image.height};
  MUST(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  MUST(EVP_DigestUpdate(context.get(), size.data(), sizeof(size)) == 1);
  MUST(EVP_DigestUpdate(context.get(), picture.image.rgb.data(), picture.image.rgb.size()) == 1);
  unsigned bytes = 0;
  MUST(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(picture.hash.data()),
                          &bytes) == 1);
  MUST(bytes == sizeof(picture.hash));
  return picture;
}

PictureRef::PictureRef(const PictureRef& other) : store_(other.store_), picture_(other.picture_) {
  if (store_ != nullptr) store_->retain(*picture_);
}

PictureRef& PictureRef::operator=(PictureRef other) noexcept {
  std::swap(store_, other.store_);
  std::swap(picture_, other.picture_);
  return *this;
}

PictureRef::~PictureRef() {
  if (store_ != nullptr) store_->release(*picture_);
}

struct PictureStore::Shelf {
  struct Entry {
    Picture picture;
    int64_t references;
  };
  struct FirstWord {  // of a hash that is uniform already
    size_t operator()(const PictureHash& hash) const { return hash[0]; }
  };

  Mutex mutex;
  // Nodes stay where they are.
  std::unordered_map<PictureHash, Entry, FirstWord> entries GUARDED_BY(mutex);
  size_t bytes GUARDED_BY(mutex) = 0;
};

PictureStore::PictureStore() : shelf_(std::make_unique<Shelf>()) {}

PictureStore::~PictureStore() {
  MUST(shelf_->entries.empty());
}

PictureRef PictureStore::keep(Picture picture) {
  Shelf& shelf = *shelf_;
  const MutexLock lock(shelf.mutex);
  const PictureHash hash = picture.hash;
  const size_t size = picture.image.rgb.size();
  const auto [at, is_new] = shelf.entries.try_emplace(hash, Shelf::Entry{std::move(picture), 0});
  if (is_new) shelf.bytes += size;
  ++at->second.references;
  return {this, &at->second.picture};
}

size_t PictureStore::bytes() const {
  const MutexLock lock(shelf_->mutex);
  return shelf_->bytes;
}

void PictureStore::retain(const Picture& picture) {
  const MutexLock lock(shelf_->mutex);
  ++shelf_->entries.at(picture.hash).references;
}

void PictureStore::release(const Picture& picture) {
  Shelf& shelf = *shelf_;
  const MutexLock lock(shelf.mutex);
  const auto at = shelf.entries.find(picture.hash);
  if (--at->second.references > 0) return;
  shelf.bytes -= at->second.picture.image.rgb.size();
  shelf.entries.erase(at);
}

}  // namespace pagoda
