#include "api/pictures/picture_loader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "vision/decode_image.h"

namespace pagoda {
namespace {

// A server that does not answer holds a thread for the time limit, so there are many.
constexpr int kFetchThreads = 64;
// Where there are as many cores. They belong to the engine, and a picture takes tens of
// milliseconds.
constexpr int kMostDecodeThreads = 2;
// Of one request at a time: it does not take all threads, nor storm the server of its pictures.
constexpr int kParallel = 8;

std::vector<SourceKind> kinds_of(const std::vector<PictureSource>& sources,
                                 const PictureConfig& config) {
  std::vector<SourceKind> kinds;
  kinds.reserve(sources.size());
  for (const PictureSource& source : sources) kinds.push_back(kind_of(source, config));
  return kinds;
}

[[noreturn]] void refuse_for_memory() {
  throw Error(ErrorKind::kOverloaded,
              "the server holds as many pictures as it can; try again later");
}

}  // namespace

PictureLoader::PictureLoader(const PictureConfig& config, PictureStore& store)
    : config_(config),
      store_(store),
      decoding_(std::min(kMostDecodeThreads, usable_cores("/"))),
      fetching_(kFetchThreads) {}

bool PictureLoader::hold(size_t bytes) {
  held_bytes_ += static_cast<int64_t>(bytes);
  if (this->bytes() <= config_.max_kept_bytes) return true;
  release(bytes);
  return false;
}

PictureLoad::PictureLoad(PictureLoader& loader, std::vector<PictureSource> sources,
                         const PictureShape& shape)
    : loader_(loader),
      sources_(std::move(sources)),
      kinds_(kinds_of(sources_, loader.config_)),
      shape_(shape),
      pictures_(sources_.size()) {}

void PictureLoad::start(std::function<void()> done) {
  std::function<void()> done_already;
  {
    const MutexLock lock(mutex_);
    done_ = std::move(done);
    begin_more();
    if (running_ == 0) done_already = std::move(done_);  // none could be begun
  }
  if (done_already) done_already();
}

void PictureLoad::begin_more() {
  while (running_ < kParallel && next_ < sources_.size() && !stopped_) {
    try {
      begin(next_++);
      ++running_;
    } catch (const std::exception&) {
      keep_failure();
    }
  }
}

void PictureLoad::begin(size_t i) {
  if (kinds_[i] == SourceKind::kHttp) {
    loader_.fetching_.post([this, i, now = Clock::now()] { fetch(i, now); });
  } else {
    loader_.decoding_.post([this, i] { decode(i, {}); });
  }
}

void PictureLoad::fetch(size_t i, Clock::time_point queued) {
  std::string bytes;
  if (!attempt([&] { bytes = fetched(i, queued); })) {
    end_one();
    return;
  }
  const size_t size = bytes.size();
  const bool is_posted = attempt(
      [&] { loader_.decoding_.post([this, i, bytes = std::move(bytes)] { decode(i, bytes); }); });
  if (is_posted) return;
  loader_.release(size);
  end_one();
}

std::string PictureLoad::fetched(size_t i, Clock::time_point queued) {
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - queued);
  const std::chrono::milliseconds left = loader_.config_.fetch_timeout - waited;
  if (left.count() <= 0) {
    throw Error(
        ErrorKind::kOverloaded,
        str(sources_[i].place, ": the server fetches as many pictures as it can; try again later"));
  }
  size_t held = 0;
  const FetchBounds bounds = {.timeout_ms = left.count(),
                              .is_cancelled = [this] { return stopped_.load(); },
                              .hold =
                                  [this, &held](size_t bytes) {
                                    if (!loader_.hold(bytes)) return false;
                                    held += bytes;
                                    return true;
                                  }};
  try {
    return bytes_of_http(sources_[i], loader_.config_, bounds);
  } catch (const std::exception&) {
    loader_.release(held);
    throw;
  }
}

void PictureLoad::decode(size_t i, const std::string& fetched_bytes) {
  attempt([&] {
    const PictureSource& source = sources_[i];
    std::optional<PictureRef> picture;
    switch (kinds_[i]) {
      case SourceKind::kHttp: picture = kept(source, fetched_bytes); break;
      case SourceKind::kData: picture = kept(source, bytes_of_data(source, loader_.config_)); break;
      case SourceKind::kFile: picture = kept(source, bytes_of_file(source, loader_.config_)); break;
    }
    const MutexLock lock(mutex_);
    pictures_[i] = std::move(picture);
  });
  loader_.release(fetched_bytes.size());
  end_one();
}

PictureRef PictureLoad::kept(const PictureSource& source, const std::string& bytes) {
  Image image;
  try {
    image = decode_image(std::as_bytes(std::span(bytes)), limits());
    image = resized_for_patches(image, shape_.patches);
  } catch (const Error& e) {
    refuse_picture(source, e.what());
  }
  const auto size = static_cast<int64_t>(image.rgb.size());
  if (loader_.bytes() + size > loader_.config_.max_kept_bytes) refuse_for_memory();
  return loader_.store_.keep(make_picture(std::move(image)));
}

// Of a picture that is decoded from now on.
ImageLimits PictureLoad::limits() const {
  const Clock::time_point deadline = Clock::now() + loader_.config_.decode_timeout;
  return {.max_pixels = loader_.config_.max_pixels,
          .check_size = [this](int64_t width, int64_t height) { require_use_of(width, height); },
          .is_given_up = [this, deadline] { return stopped_ || Clock::now() >= deadline; }};
}

// Before it is decoded, and resized: min_pixels of a request may ask for a huge one.
void PictureLoad::require_use_of(int64_t width, int64_t height) const {
  const PatchConfig& patches = shape_.patches;
  const PixelSize size = resized_size(width, height, patches);
  const int64_t side = patches.patch_size * patches.merge_size;
  const int64_t tokens = (size.width / side) * (size.height / side);
  if (tokens <= shape_.max_tokens) return;
  throw Error(ErrorKind::kRequest,
              str("resized to ", size.width, " x ", size.height, " pixels it is ", tokens,
                  " tokens, and one picture may have ", shape_.max_tokens,
                  " here; ask for max_pixels of at most ", shape_.max_tokens * side * side,
                  " in mm_processor_kwargs"));
}

// Whether it was done. What it throws is kept if it is the first.
bool PictureLoad::attempt(const std::function<void()>& work) {
  if (stopped_) return false;
  try {
    work();
    return true;
  } catch (const std::exception&) {
    const MutexLock lock(mutex_);
    keep_failure();
    return false;
  }
}

// The exception that is being handled. What fails behind a cancellation fails because of it.
void PictureLoad::keep_failure() {
  if (!stopped_) failure_ = std::current_exception();
  stopped_ = true;
}

void PictureLoad::end_one() {
  std::function<void()> done;
  {
    const MutexLock lock(mutex_);
    --running_;
    begin_more();
    if (running_ == 0) done = std::move(done_);
  }
  // From here on this object may be gone.
  if (done) done();
}

std::vector<PictureRef> PictureLoad::take() {
  const MutexLock lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  std::vector<PictureRef> out;
  for (std::optional<PictureRef>& picture : pictures_) {
    if (!picture) throw Error(ErrorKind::kRequest, "the request was given up");
    out.push_back(std::move(*picture));
  }
  return out;
}

}  // namespace pagoda
