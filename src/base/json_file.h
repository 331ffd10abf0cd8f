// The small JSON files of a model folder.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <filesystem>
#include <string>
#include <string_view>

namespace pagoda {

// The object that a file holds. Throws kConfig naming the file, the line and the reason.
boost::json::object read_json_object(const std::filesystem::path& path);
// The same of a text; `origin` is what messages call it: a path, or an option of the command line.
boost::json::object parse_json_object(std::string_view text, const std::string& origin);

}  // namespace pagoda
