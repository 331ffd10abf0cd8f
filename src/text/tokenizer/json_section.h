// A part of a JSON file that knows where it is, so that a misfit is told with file and place.
//
// Thread rule: read-only; the parsed value must outlive it.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

class JsonSection {
 public:
  // `place` is how messages begin: the file, then keys ("/m/tokenizer.json: model").
  JsonSection(const boost::json::value& value, std::string place)
      : value_(&value), place_(std::move(place)) {}

  const boost::json::value& value() const { return *value_; }
  const std::string& place() const { return place_; }

  // Nothing where the key is missing or null, or this is no object.
  std::optional<JsonSection> find(std::string_view key) const;
  // Everything below throws kCheckpoint where the key is missing or of another kind.
  JsonSection at(std::string_view key) const;
  std::vector<JsonSection> items() const;  // of this array
  std::string_view text() const;           // this string
  std::string_view text(std::string_view key) const { return at(key).text(); }
  int64_t integer(std::string_view key) const;
  int64_t integer_or(std::string_view key, int64_t otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string_view text_or(std::string_view key, std::string_view otherwise) const;

  [[noreturn]] void refuse(std::string_view what) const;

 private:
  const boost::json::value* value_;
  std::string place_;
};

}  // namespace pagoda
