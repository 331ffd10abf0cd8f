#include "load/hf_config.h"

#include <boost/json.hpp>
#include <utility>

#include "base/json_file.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr JsonTerms kTerms = {
    .blame = ErrorKind::kConfig,
    .remedy = "correct the file or --hf-overrides",
    .absent_remedy = "take the file from the model's page or add the key with --hf-overrides"};

void merge(json::object& into, const json::object& overrides) {
  for (const auto& [key, value] : overrides) {
    json::value& old = into[key];
    if (old.is_object() && value.is_object()) {
      merge(old.get_object(), value.get_object());
    } else {
      old = value;
    }
  }
}

// transformers since 4.52 writes the decoder of a model that also sees or hears into a section of
// its own. What stands outside, --hf-overrides for one, goes before it.
void lift_text_config(json::object& values) {
  const json::value* section = values.if_contains("text_config");
  if (section == nullptr || !section->is_object()) return;
  const json::object text = section->get_object();
  for (const auto& [key, value] : text) {
    json::value& outside = values[key];
    if (outside.is_null()) outside = value;
  }
}

}  // namespace

HfConfig::HfConfig(json::object values, std::string origin)
    : values_(std::make_unique<const json::object>(std::move(values))),
      origin_(std::move(origin)) {}

HfConfig::HfConfig(HfConfig&&) noexcept = default;
HfConfig& HfConfig::operator=(HfConfig&&) noexcept = default;
HfConfig::~HfConfig() = default;

HfConfig HfConfig::load(const std::filesystem::path& folder, const json::object& overrides) {
  const std::filesystem::path path = folder / "config.json";
  json::object values = read_json_object(path);
  merge(values, overrides);
  lift_text_config(values);
  return {std::move(values), path.string()};
}

HfConfig HfConfig::load(const std::filesystem::path& folder) {
  return load(folder, {});
}

JsonReader HfConfig::keys() const {
  return {*values_, origin_, kTerms};
}

}  // namespace pagoda
