// Reads fields of a JSON request as pydantic's lax mode does: "128" is a number where a number is
// wanted, 1 is true where a bool is wanted. What does not fit is collected in pydantic's words, so
// that clients of vLLM find what they know.
//
// Thread rule: one request, one thread.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

class ValidationErrors {
 public:
  // One wrong field. `type` and `message` are pydantic's; `path` leads to the field below the body.
  struct Field {
    std::string_view type;
    std::vector<std::string> path;
    std::string_view message;
    std::string context;  // inside of 'ctx': {...}; may be empty
  };

  bool empty() const { return items_.empty(); }
  // str() of pydantic's list of errors.
  std::string message() const;
  // Throws the Refusal that tells them.
  [[noreturn]] void refuse() const;
  void refuse_if_any() const {
    if (!empty()) refuse();
  }

  void add(const Field& field, const boost::json::value& input);
  void add_missing(std::vector<std::string> path, const boost::json::value& input);
  // What a validator of the whole request said.
  void add_value_error(std::string_view message, const boost::json::value& body);

 private:
  std::vector<std::string> items_;
};

// A null field counts as absent: clients send the nulls of their own models.
class FieldReader {
 public:
  FieldReader(const boost::json::object& object, ValidationErrors& errors,
              std::vector<std::string> path = {})
      : object_(object), errors_(errors), path_(std::move(path)) {}

  const boost::json::object& object() const { return object_; }
  ValidationErrors& errors() { return errors_; }
  // Throws the Refusal of an object that breaks a rule of the whole request.
  [[noreturn]] void refuse(std::string_view message) const;

  const boost::json::value* find(std::string_view key) const;  // null if absent or null

  std::optional<int64_t> integer(std::string_view key);
  std::optional<int64_t> integer_from(std::string_view key, int64_t least);
  std::optional<double> number(std::string_view key);
  std::optional<bool> flag(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  const boost::json::object* dict(std::string_view key);
  const boost::json::array* list(std::string_view key);
  std::optional<std::vector<int64_t>> integers(std::string_view key);
  std::optional<std::vector<std::string>> texts(std::string_view key);
  std::optional<std::vector<std::string>> text_or_texts(std::string_view key);

 private:
  std::vector<std::string> path_to(std::string_view key) const;

  const boost::json::object& object_;
  ValidationErrors& errors_;
  std::vector<std::string> path_;
};

// Lax conversions of a single value; the error has type and message only.
struct LaxFailure {
  std::string_view type, message;
};
std::optional<LaxFailure> lax_integer(const boost::json::value& value, int64_t& out);
std::optional<LaxFailure> lax_number(const boost::json::value& value, double& out);
std::optional<LaxFailure> lax_flag(const boost::json::value& value, bool& out);
// Whether it is there and a true flag.
bool is_lax_true(const boost::json::value* value);

}  // namespace pagoda
