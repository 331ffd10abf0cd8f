#include "load/choose_dtype.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "load/hf_config.h"
#include "load/test_files.h"

namespace pagoda {
namespace {

HfConfig config_of(std::string_view text) {
  return {boost::json::parse(text).get_object(), "config.json"};
}

}  // namespace

TEST_CASE("auto keeps 16 bits and turns float32 into float16") {
  CHECK(choose_dtype("auto", config_of(R"({"torch_dtype": "bfloat16"})").keys()) == DType::kBF16);
  CHECK(choose_dtype("auto", config_of(R"({"torch_dtype": "float16"})").keys()) == DType::kF16);
  CHECK(choose_dtype("auto", config_of(R"({"torch_dtype": "float32"})").keys()) == DType::kF16);
  CHECK(choose_dtype("auto", config_of(R"({"dtype": "torch.bfloat16"})").keys()) == DType::kBF16);
  CHECK(choose_dtype("auto", config_of(R"({"text_config": {"torch_dtype": "bfloat16"}})").keys()) ==
        DType::kBF16);
}

TEST_CASE("a config without a dtype leaves it to the first tensor, else counts as float32") {
  CHECK(choose_dtype("auto", config_of("{}").keys(), Encoding::kBF16) == DType::kBF16);
  CHECK(choose_dtype("auto", config_of("{}").keys(), Encoding::kF32) == DType::kF16);
  CHECK(choose_dtype("auto", config_of("{}").keys()) == DType::kF16);
}

TEST_CASE("a spelled-out dtype wins over the config") {
  const HfConfig config = config_of(R"({"torch_dtype": "float8"})");
  CHECK(choose_dtype("half", config.keys()) == DType::kF16);
  CHECK(choose_dtype("float16", config.keys()) == DType::kF16);
  CHECK(choose_dtype("bfloat16", config.keys()) == DType::kBF16);
  CHECK(choose_dtype("float", config.keys()) == DType::kF32);
  CHECK(choose_dtype("float32", config.keys()) == DType::kF32);
}

TEST_CASE("others are refused with what is allowed") {
  const std::string of_option =
      message_of<Error>([] { choose_dtype("int8", config_of("{}").keys()); });
  CHECK(of_option ==
        "--dtype: \"int8\" is not known; use auto, half, float16, bfloat16, float or float32");
  CHECK(message_of<Error>([] {
          choose_dtype("auto", config_of(R"({"torch_dtype": "float8_e4m3fn"})").keys());
        }) ==
        "config.json: torch_dtype is \"float8_e4m3fn\", expected float16, bfloat16 or "
        "float32; choose one with --dtype");
}

}  // namespace pagoda
