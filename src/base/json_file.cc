#include "base/json_file.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

namespace pagoda {
namespace json = boost::json;

json::object read_json_object(const std::filesystem::path& path) {
  return parse_json_object(read_text_file(path), path.string());
}

json::object parse_json_object(std::string_view text, const std::string& origin) {
  json::stream_parser parser;
  json::error_code error;
  const size_t read = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (error) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(read), '\n');
    throw Error(ErrorKind::kConfig,
                str(origin, ": is not valid JSON: ", error.message(), " at line ", line, " (byte ",
                    read, " of ", text.size(), "); correct it or get the file again"));
  }
  json::value value = parser.release();
  if (auto* object = value.if_object()) return std::move(*object);
  throw Error(ErrorKind::kConfig, str(origin, ": is ", json::to_string(value.kind()),
                                      ", expected a JSON object {...}; get the file again"));
}

}  // namespace pagoda
