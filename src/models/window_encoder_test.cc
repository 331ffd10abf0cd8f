#include "models/window_encoder.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/hf_config.h"
#include "load/random_weights.h"
#include "load/test_device.h"
#include "load/weight_store.h"
#include "load/weights.h"

namespace pagoda {
namespace {

WindowEncoderConfig config_of(std::string_view text) {
  const HfConfig vision(boost::json::parse({text.data(), text.size()}).as_object(),
                        "config.json: vision_config");
  return window_encoder_config(vision.keys());
}

// A small tower with windows of 2 x 2 merged patches, whose last block sees the whole picture.
struct Fixture {
  WindowEncoderConfig config = config_of(R"({"depth":2,"hidden_size":16,"num_heads":2,
      "intermediate_size":12,"out_hidden_size":8,"window_size":56,"fullatt_block_indexes":[1]})");
  TestDevice device;
  std::unique_ptr<WeightSource> source = make_random_weights(1, DType::kF32);
  WeightStore store{*source, device, {}};
  WindowEncoder encoder{store.root(), config};
};

}  // namespace

TEST_CASE("a file that leaves out what the larger models share means the same tower") {
  const WindowEncoderConfig c =
      config_of(R"({"hidden_size":1280,"intermediate_size":3456,"out_hidden_size":5120,
                    "in_chans":3,"spatial_patch_size":14,"tokens_per_second":2})");
  CHECK(c.block.hidden == 1280);
  CHECK(c.block.head_dim() == 80);
  CHECK(c.block.ffn == 3456);
  CHECK(c.patch_numbers() == 1176);
  CHECK(c.merge_size == 2);
  CHECK(c.window == 4);
  CHECK(c.out == 5120);
  REQUIRE(c.sees_all.size() == 32);
  for (size_t i = 0; i < 32; ++i) CHECK(c.sees_all[i] == (i % 8 == 7));
}

TEST_CASE("no block sees the whole picture where the file says so") {
  const WindowEncoderConfig c =
      config_of(R"({"hidden_size":64,"num_heads":4,"fullatt_block_indexes":[]})");
  CHECK(c.sees_all == std::vector<bool>(32, false));
}

TEST_CASE("indexes behind the last block mean nothing") {
  const WindowEncoderConfig c =
      config_of(R"({"hidden_size":64,"num_heads":4,"depth":2,"fullatt_block_indexes":[1,7]})");
  CHECK(c.sees_all == std::vector<bool>{false, true});
}

TEST_CASE("what the tower is not is refused by name") {
  CHECK_THROWS_WITH_AS(
      config_of(R"({"hidden_size":1280,"hidden_act":"quick_gelu"})"),
      "config.json: vision_config: hidden_act \"quick_gelu\" is not supported; supported is silu",
      Error);
  CHECK_THROWS_WITH_AS(config_of(R"({"hidden_size":1280,"num_heads":13})"),
                       "config.json: vision_config: hidden_size 1280 over num_heads 13 makes no "
                       "heads whose size is a multiple of 4; correct one of them",
                       Error);
  CHECK_THROWS_WITH_AS(config_of(R"({"hidden_size":1280,"window_size":27})"),
                       "config.json: vision_config: window_size 27 is smaller than a merged patch "
                       "of 28 pixels; correct it",
                       Error);
  CHECK_THROWS_AS(config_of("{}"), Error);  // the reference's default is no published model's
}

TEST_CASE("patches come window by window, and edges have what is left") {
  const Fixture f;
  const PatchLayout layout = f.encoder.layout({.t = 1, .h = 6, .w = 10});  // 3 x 5 merged patches
  CHECK(layout.groups == std::vector<int32_t>{0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14});
  CHECK(layout.windows == std::vector<int32_t>{0, 16, 32, 40, 48, 56, 60});
  // The last of the second window is merged patch 8: rows 2 and 3, columns 6 and 7.
  CHECK(std::vector(layout.rows.begin() + 28, layout.rows.begin() + 32) ==
        std::vector<int32_t>{2, 2, 3, 3});
  CHECK(std::vector(layout.columns.begin() + 28, layout.columns.begin() + 32) ==
        std::vector<int32_t>{6, 7, 6, 7});
}

TEST_CASE("work counts multiplications, those of attention by what a block sees") {
  Fixture f;
  const double patches = 60, linear = 16 * (4 * 16 + 3 * 12);
  const double embedding = 16 * 1176, merger = (64 * 64 + 64 * 8) / 4.0;
  const PatchGrid grid = {.t = 1, .h = 6, .w = 10};
  // Those of attention are dearer.
  CHECK(f.encoder.work(grid, 0) ==
        doctest::Approx(patches * (linear + embedding + 2.5 * 2 * 16 * 16)));
  double whole = 0.0;  // a block that sees all is several stages
  for (int64_t stage = 1; stage < f.encoder.stages(); ++stage) {
    whole += f.encoder.work(grid, stage);
    CHECK(f.encoder.work(grid, stage) >= patches * 2.5 * 2 * 60 * 16 / 8);
  }
  CHECK(f.encoder.stages() == 1 + 8);
  CHECK(whole == doctest::Approx(patches * (linear + merger + 2.5 * 2 * 60 * 16)));
}

}  // namespace pagoda
