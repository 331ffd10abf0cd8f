// Every picture of the collection, sent by file:// and read by the API's own parts.

#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

#include "api/pictures/test_pictures.h"
#include "base/error.h"
#include "vision/decode_image.h"
#include "vision/patches.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

fs::path images_folder() {
  return fs::canonical(fs::path(PAGODA_SHARED_DIR) / "data/images");
}

bool is_picture(const fs::path& path) {
  return path.extension() == ".png" || path.extension() == ".jpg" || path.extension() == ".jpeg";
}

// Files of PngSuite that are broken on purpose, JPEG's lossless coding, which libjpeg does not
// read, and strips that are over 200 times as long as wide.
bool is_expected_to_fail(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('x') || path.string().find("/lossless/") != std::string::npos ||
         name.starts_with("grayscale_long.") || name.starts_with("grayscale_large.");
}

ServerConfig local_config() {
  ServerConfig config = VisionFixture::default_config();
  config.pictures.allowed_local_folder = images_folder().string();
  return config;
}

TEST_CASE("sound pictures reach the engine resized, broken ones get a 400 that says why") {
  VisionFixture f(local_config());
  const PatchConfig patches{.min_pixels = 3136, .max_pixels = 28224};
  int sound = 0, broken = 0;
  for (const auto& entry : fs::recursive_directory_iterator(images_folder())) {
    if (!is_picture(entry.path())) continue;
    CAPTURE(entry.path().string());
    const HttpReply reply =
        f.chat({{"max_tokens", 1},
                {"mm_processor_kwargs", {{"max_pixels", 28224}}},
                {"messages",
                 {{{"role", "user"},
                   {"content", {{{"image_url", str("file://", entry.path().string())}}}}}}}});
    try {
      const std::string bytes = read_text_file(entry.path());
      const Image image =
          resized_for_patches(decode_image(std::as_bytes(std::span(bytes))), patches);
      REQUIRE(reply.status == 200);
      CHECK(f.engine.submitted().back().pictures[0].picture->image.rgb == image.rgb);
      ++sound;
    } catch (const Error& e) {
      CHECK(reply.status == 400);
      CHECK(message_of(reply) ==
            str("messages[0].content[0]: \"file://", entry.path().string(), "\": ", e.what()));
      CHECK(is_expected_to_fail(entry.path()));
      ++broken;
    }
    f.engine.forget_submitted();
  }
  CHECK(sound > 200);
  CHECK(broken == 29);
  CHECK(f.store.bytes() == 0);
}

}  // namespace
}  // namespace pagoda
