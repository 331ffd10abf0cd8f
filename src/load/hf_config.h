// config.json of a checkpoint. Required keys are required: a missing or ill-typed one is an Error
// that names the file, the key, what was found and what is expected.
//
// Thread rule: immutable after construction.
#pragma once

#include <boost/json/fwd.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/json_reader.h"

namespace pagoda {

class HfConfig {
 public:
  // `origin` is what messages call it.
  HfConfig(boost::json::object values, std::string origin);
  HfConfig(HfConfig&&) noexcept;
  HfConfig& operator=(HfConfig&&) noexcept;
  ~HfConfig();
  // <folder>/config.json with `overrides` (--hf-overrides) merged in, nested objects key by key.
  // Keys of text_config are found as if they stood outside of it, where they do not.
  static HfConfig load(const std::filesystem::path& folder, const boost::json::object& overrides);
  static HfConfig load(const std::filesystem::path& folder);  // as it is

  // Valid as long as this, or what it has been moved to.
  JsonReader keys() const;

 private:
  std::unique_ptr<const boost::json::object> values_;
  std::string origin_;
};

}  // namespace pagoda
