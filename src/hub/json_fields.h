// Fields of a hub's JSON answers, which may be missing or of another kind than documented.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

// What others wrote, fit for a message: control characters are "?".
std::string printable(std::string_view text);
// Null if the text is no JSON.
boost::json::value parsed_json(std::string_view text);
// "" or nothing if there is no such field of that kind.
std::string text_of(const boost::json::object& object, std::string_view key);
std::optional<int64_t> count_of(const boost::json::object& object, std::string_view key);
// Field `key`, printable, of each object of an array; of nothing, or of what is no array, none.
std::vector<std::string> texts_of(const boost::json::value* array, std::string_view key);

}  // namespace pagoda
