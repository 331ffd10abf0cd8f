// The text of an option, as typed, turned into the value that its row in the table asks for.
//
// Thread rule: pure functions. All throw kConfig with the option as typed, the value and the
// remedy.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/option_table.h"

namespace pagoda {

// `shown` is the option as the user typed it. "None" gives null where the row has no default.
boost::json::value option_value(const OptionRow& row, std::string_view shown,
                                std::string_view text);
// Of a row that takes several texts.
boost::json::value option_values(const OptionRow& row, std::span<const std::string> texts);
// A value that a file gives in its own type: numbers, lists, objects.
boost::json::value option_value_of_json(const OptionRow& row, std::string_view shown,
                                        const boost::json::value& value);
// The row's default; null for None.
boost::json::value default_of(const OptionRow& row);

// 1k = 1000, 1K = 1024, 25.6k = 25600; m, M, g, G likewise. None: not such a number.
std::optional<int64_t> human_integer(std::string_view text);

// Lays `patch` over `target`: objects key by key, lists one after another, the rest replaced.
void merge_json(boost::json::value& target, const boost::json::value& patch);

// Of a value that its row does not allow: the item of `names` that is written most like `typed`,
// empty if none is close.
std::string_view closest_of(std::string_view typed, std::span<const std::string_view> names);

}  // namespace pagoda
