// The YAML file of --config: long option names and their values.

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/option_parser.h"
#include "cli/option_value.h"

namespace pagoda {
namespace {

namespace json = boost::json;

// YAML 1.2's core schema: null, bool, numbers; a quoted scalar is a text.
json::value scalar_of(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return json::string(text);
  boost::system::error_code fault;
  json::value value = json::parse(text, fault);
  if (!fault && (value.is_number() || value.is_bool() || value.is_null())) return value;
  if (text == "True" || text == "False") return json::value(text == "True");
  if (text.empty() || text == "~" || text == "Null" || text == "NULL") return nullptr;
  return json::string(text);
}

json::value json_of(const YAML::Node& node) {
  if (node.IsSequence()) {
    json::array list;
    for (const YAML::Node& item : node) list.push_back(json_of(item));
    return list;
  }
  if (node.IsMap()) {
    json::object object;
    for (const auto& item : node) object[item.first.Scalar()] = json_of(item.second);
    return object;
  }
  return node.IsScalar() ? scalar_of(node) : json::value(nullptr);
}

// Numbers keep their spelling: 1e-05 and 25.6k are the option's own business.
json::value value_of(const OptionRow& row, const std::string& shown, const YAML::Node& node) {
  const bool is_plain = node.IsScalar() && row.type != ValueType::kFlag;
  if (!is_plain || scalar_of(node).is_null())
    return option_value_of_json(row, shown, json_of(node));
  return option_value(row, shown, node.Scalar());
}

YAML::Node parsed_yaml(const std::string& path) {
  if (!path.ends_with(".yaml") && !path.ends_with(".yml")) {
    throw Error(ErrorKind::kConfig,
                str("--config: \"", path, "\" is not of a yaml/yml type; name a .yaml file"));
  }
  try {
    return YAML::Load(read_text_file(path));
  } catch (const Error& e) {
    throw Error(e.kind(), str("--config: ", e.what(), "; name a file that this user may read"));
  } catch (const YAML::Exception& e) {
    throw Error(ErrorKind::kConfig, str("--config: ", path, ": is not YAML (", e.what(),
                                        "); write lines such as `port: 8000`"));
  }
}

}  // namespace

std::map<std::string_view, GivenOption> read_config_file(const std::string& path) {
  const YAML::Node root = parsed_yaml(path);
  if (!root.IsMap()) {
    throw Error(ErrorKind::kConfig,
                str("--config: ", path, ": is not a mapping; write lines such as `port: 8000`"));
  }
  std::map<std::string_view, GivenOption> given;
  for (const auto& item : root) {
    std::string name = item.first.Scalar();
    std::replace(name.begin(), name.end(), '_', '-');
    if (name == "model-tag") name = "model";
    const std::string shown = str(path, ": ", item.first.Scalar());
    const FoundOption found = find_option(name, shown);
    if (found.row == nullptr) refuse_unknown_option(shown, name);
    if (found.row->name == "config") {
      throw Error(ErrorKind::kConfig, str(shown, ": a configuration file cannot name another"));
    }
    json::value value = value_of(*found.row, shown, item.second);
    if (found.negated && value.is_bool()) value = !value.as_bool();
    given[found.row->name] = {std::move(value), shown};
  }
  return given;
}

}  // namespace pagoda
