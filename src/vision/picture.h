// A picture as requests carry it: resized for its encoder, known by the hash of its content, and
// kept once however many requests show it.
//
// Thread rule: any thread. A Picture never changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "vision/image.h"

namespace pagoda {

// SHA-256: a client cannot make two pictures that collide, so one request never sees another's.
using PictureHash = std::array<uint64_t, 4>;

struct Picture {
  Image image;  // sides are whole merged patches
  PictureHash hash;
};

// Hashes size and pixels of an image that is resized already.
Picture make_picture(Image image);

class PictureStore;

// Holds one picture of the store. Copying shares it; with the last copy the picture goes.
class PictureRef {
 public:
  PictureRef(const PictureRef& other);
  PictureRef(PictureRef&& other) noexcept : store_(other.store_), picture_(other.picture_) {
    other.store_ = nullptr;
  }
  PictureRef& operator=(PictureRef other) noexcept;
  ~PictureRef();

  const Picture& operator*() const { return *picture_; }
  const Picture* operator->() const { return picture_; }

 private:
  friend class PictureStore;
  PictureRef(PictureStore* store, const Picture* picture) : store_(store), picture_(picture) {}

  PictureStore* store_;  // null after a move
  const Picture* picture_;
};

// Invariant: holds exactly the pictures to which a PictureRef exists.
class PictureStore {
 public:
  PictureStore();
  ~PictureStore();  // every PictureRef must be gone
  PictureStore(const PictureStore&) = delete;
  PictureStore& operator=(const PictureStore&) = delete;

  // A picture that is kept already is shared.
  PictureRef keep(Picture picture);
  // Of all pictures kept.
  size_t bytes() const;

 private:
  friend class PictureRef;
  struct Shelf;

  void retain(const Picture& picture);
  void release(const Picture& picture);

  const std::unique_ptr<Shelf> shelf_;
};

}  // namespace pagoda
