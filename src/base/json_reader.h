// Reads a parsed JSON value key by key and type by type. What does not fit is an Error that names
// where it stands, what was found, what is expected, and the remedy.
//
// A key whose value is null counts as absent, and a number that is whole is an integer however it
// is written: 4096 or 4096.0.
//
// Thread rule: read-only. The parsed value and the terms must outlive the reader and every text
// that it returns.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pagoda {

// How misfits are told.
struct JsonTerms {
  ErrorKind blame;
  std::string_view joint = ": ";        // between a place and a key there
  std::string_view remedy = {};         // for a value that does not fit; empty: none
  std::string_view absent_remedy = {};  // for a key that is absent
};

class JsonReader {
 public:
  // `origin` is how messages begin: a file or an option, or "config.json: rope_scaling" for what is
  // in it. Behind a colon at its end comes a blank instead of the joint.
  JsonReader(const boost::json::value& value, std::string origin, const JsonTerms& terms);
  JsonReader(const boost::json::object& object, std::string origin, const JsonTerms& terms);

  const std::string& origin() const { return origin_; }

  bool has(std::string_view key) const;      // present and not null
  bool is_null(std::string_view key) const;  // present, but null
  bool empty() const;                        // no object, or one without keys
  std::vector<std::string_view> keys() const;

  // Throw where the key is absent or of another type.
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  std::string_view text(std::string_view key) const;
  JsonReader at(std::string_view key) const;  // whatever its type
  // The default where the key is absent; throw where it is of another type.
  int64_t integer_or(std::string_view key, int64_t otherwise) const;
  double number_or(std::string_view key, double otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string_view text_or(std::string_view key, std::string_view otherwise) const;
  // A single value counts as a list.
  std::vector<int64_t> integers_or_empty(std::string_view key) const;
  std::vector<double> numbers_or_empty(std::string_view key) const;
  std::vector<std::string> texts_or_empty(std::string_view key) const;
  JsonReader section(std::string_view key) const;  // an object; empty where absent

  // Nothing where the key is absent or of another type.
  std::optional<int64_t> if_integer(std::string_view key) const;
  std::optional<double> if_number(std::string_view key) const;
  std::optional<bool> if_flag(std::string_view key) const;
  std::optional<std::string_view> if_text(std::string_view key) const;
  std::optional<JsonReader> if_object(std::string_view key) const;
  std::optional<JsonReader> if_list(std::string_view key) const;
  std::optional<JsonReader> find(std::string_view key) const;  // whatever its type

  // This value. Throw where it is of another type.
  std::string_view text() const;
  std::vector<JsonReader> items() const;
  const boost::json::array& list() const;
  const boost::json::object& object() const;
  // Nothing where it is of another type.
  std::optional<int64_t> if_integer() const;
  std::optional<double> if_number() const;
  std::optional<std::string_view> if_text() const;
  bool is_list() const;

  // "<origin>: <key> is <value>, expected <expected>; <remedy>"
  [[noreturn]] void reject(std::string_view key, std::string_view expected) const;
  // "<origin>: <key> is <value>, <what>"
  [[noreturn]] void refuse(std::string_view key, std::string_view what) const;
  // "<origin> <what>"
  [[noreturn]] void refuse(std::string_view what) const;

 private:
  // Null where the key is absent.
  const boost::json::value* value_at(std::string_view key) const;
  const boost::json::value& required(std::string_view key, std::string_view expected) const;
  JsonReader inside(std::string_view key, const boost::json::value& value) const;
  std::string place_of(std::string_view key) const;
  std::string found_at(std::string_view key) const;
  [[noreturn]] void reject_this(std::string_view expected) const;

  const boost::json::value* value_;    // null: it is object_ alone
  const boost::json::object* object_;  // null: it is none
  std::string origin_;
  const JsonTerms* terms_;
};

}  // namespace pagoda
