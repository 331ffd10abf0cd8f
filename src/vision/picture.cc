#include "vision/picture.h"

#include <openssl/evp.h>

#include <memory>
#include <utility>

#include "base/must.h"
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

PictureStore::~PictureStore() {
  MUST(entries_.empty());
}

PictureRef PictureStore::keep(Picture picture) {
  const MutexLock lock(mutex_);
  const PictureHash hash = picture.hash;
  const size_t size = picture.image.rgb.size();
  const auto [at, is_new] = entries_.try_emplace(hash, Entry{std::move(picture), 0});
  if (is_new) bytes_ += size;
  ++at->second.references;
  return {this, &at->second.picture};
}

size_t PictureStore::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

void PictureStore::retain(const Picture& picture) {
  const MutexLock lock(mutex_);
  ++entries_.at(picture.hash).references;
}

void PictureStore::release(const Picture& picture) {
  const MutexLock lock(mutex_);
  const auto at = entries_.find(picture.hash);
  if (--at->second.references > 0) return;
  bytes_ -= at->second.picture.image.rgb.size();
  entries_.erase(at);
}

}  // namespace pagoda
