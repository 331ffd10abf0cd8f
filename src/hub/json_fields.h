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

#include "base/json_reader.h"

namespace pagoda {

// What others wrote, fit for a message: control characters are "?".
std::string printable(std::string_view text);
// Null if the text is no JSON.
boost::json::value parsed_json(std::string_view text);
// The fields of an answer, which must outlive them.
JsonReader fields_of(const boost::json::value& answer);
// "" or nothing if there is no such field of that kind.
std::string text_of(const JsonReader& fields, std::string_view key);
std::optional<int64_t> count_of(const JsonReader& fields, std::string_view key);
// Field `key`, printable, of each item of a list; of nothing, or of what is no list, none.
std::vector<std::string> texts_of(const std::optional<JsonReader>& list, std::string_view key);

}  // namespace pagoda
