// config.json of a checkpoint. Required keys are required: a missing or ill-typed one is an Error
// that names the file, the key, what was found and what is expected.
//
// Thread rule: immutable after construction.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

class HfConfig {
 public:
  HfConfig() = default;
  // `origin` is what messages call it: a path, or "config.json: rope_scaling" for a section.
  HfConfig(boost::json::object values, std::string origin);
  // <folder>/config.json with `overrides` (--hf-overrides) merged in, nested objects key by key.
  // Keys of text_config are found as if they stood outside of it, where they do not.
  static HfConfig load(const std::filesystem::path& folder, const boost::json::object& overrides);

  // Throw kConfig where the key is absent, null or of another type.
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  std::string text(std::string_view key) const;
  // The default where the key is absent or null; throw where it is of another type.
  int64_t integer_or(std::string_view key, int64_t documented_default) const;
  double number_or(std::string_view key, double documented_default) const;
  bool flag_or(std::string_view key, bool documented_default) const;
  std::string text_or(std::string_view key, std::string_view documented_default) const;
  std::vector<int64_t> integers_or_empty(std::string_view key) const;  // a number counts as a list
  std::vector<double> numbers_or_empty(std::string_view key) const;
  std::vector<std::string> texts_or_empty(std::string_view key) const;
  HfConfig section(std::string_view key) const;  // empty if absent or null

  bool has(std::string_view key) const;  // present and not null
  bool empty() const { return values_.empty(); }
  std::string architecture() const;  // architectures[0]; throws where there is none
  const std::string& origin() const { return origin_; }
  const boost::json::object& values() const { return values_; }

 private:
  const boost::json::value& required(std::string_view key, std::string_view expected) const;

  boost::json::object values_;
  std::string origin_ = "config.json";
};

}  // namespace pagoda
