#include "cli/option_parser.h"

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "cli/option_value.h"

namespace pagoda {
namespace {

namespace json = boost::json;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kConfig, message);
}

bool is_negative_number(std::string_view text) {
  return text.size() > 1 && text.find_first_not_of("0123456789.", 1) == std::string_view::npos;
}

// What cannot be the value of the option before it.
bool is_option(std::string_view text) {
  return text.size() > 1 && text.front() == '-' && !is_negative_number(text) &&
         text.find(' ') == std::string_view::npos;
}

void underscores_to_dashes(std::string& name) {
  const auto end =
      name.begin() + static_cast<std::ptrdiff_t>(std::min(name.find('.'), name.size()));
  std::replace(name.begin(), end, '_', '-');
}

const OptionRow* row_of_alias(std::string_view alias) {
  for (const OptionRow* row : all_options()) {
    if (!row->aliases.empty() && row->aliases == alias) return row;
  }
  return nullptr;
}

// The arguments as they are read, one after another.
class ArgumentReader {
 public:
  ArgumentReader(std::span<const std::string> arguments, EntryPoint entry)
      : arguments_(arguments), entry_(entry) {}

  ParsedOptions read() {
    while (next_ < arguments_.size() && !parsed_.help) {
      const std::string& argument = arguments_[next_++];
      if (argument == "--") continue;
      if (is_option(argument)) {
        read_option(argument);
      } else {
        read_positional(argument);
      }
    }
    merge_dotted();
    return std::move(parsed_);
  }

 private:
  // What an argument such as --rope-scaling.factor=2 says before its value is looked at.
  struct Option {
    const OptionRow* row = nullptr;
    std::string shown;                 // --rope-scaling.factor
    std::string keys;                  // factor
    std::optional<std::string> value;  // 2
    bool negated = false;              // --no-x
  };

  void read_positional(const std::string& argument) {
    if (entry_ == EntryPoint::kApiServer) {
      refuse(str("unrecognized arguments: ", argument, "; name the model with --model ", argument,
                 ", or use the form `pagoda serve ", argument, "`"));
    }
    const auto known = parsed_.given.find("model");
    if (known != parsed_.given.end()) {
      refuse(str("unrecognized arguments: ", argument, "; the model is ",
                 known->second.value.as_string().c_str(),
                 " already, and one server serves one model"));
    }
    parsed_.given["model"] = {json::string(argument), "MODEL"};
  }

  void read_option(const std::string& argument) {
    const Option option = option_of(argument);
    if (parsed_.help) return;
    if (option.row->name == "model" && entry_ == EntryPoint::kServe) {
      refuse(
          "With `vllm serve`, you should provide the model as a positional argument or in a config "
          "file instead of via the `--model` option.");
    }
    if (!option.keys.empty()) return read_dotted(option);
    if (option.row->name == "config" && parsed_.given.contains("config")) {
      refuse("--config: given twice; put all options into one file");
    }
    json::value value = value_of(option);
    const std::string_view name = option.row->name;
    parsed_.given[name] = {std::move(value), option.shown};
  }

  Option option_of(const std::string& argument) {
    Option option;
    std::string name = argument;
    if (const size_t equals = argument.find('='); equals != std::string::npos) {
      name = argument.substr(0, equals);
      option.value = argument.substr(equals + 1);
    }
    option.shown = name;
    if (name.starts_with("--")) {
      underscores_to_dashes(name);
    } else {
      split_short(name, option);
    }
    if (const size_t dot = name.find('.'); dot != std::string::npos) {
      option.keys = name.substr(dot + 1);
      name.resize(dot);
    }
    if (name == "--help" || name == "-h") {
      parsed_.help = option.value.value_or("");
      return option;
    }
    find_row(name, option);
    return option;
  }

  // -O3 and -qawq: a short option with its value attached.
  static void split_short(std::string& name, Option& option) {
    const bool is_known =
        name.size() <= 2 || name[2] == '.' || option.value || row_of_alias(name) != nullptr;
    if (is_known || row_of_alias(name.substr(0, 2)) == nullptr) return;
    option.value = name.substr(2);
    name.resize(2);
    option.shown = name;
  }

  static void find_row(const std::string& name, Option& option) {
    if (name.starts_with("--")) {
      const FoundOption found = find_option(std::string_view(name).substr(2), option.shown);
      option.row = found.row;
      option.negated = found.negated;
    } else {
      option.row = row_of_alias(name);
    }
    if (option.row == nullptr) {
      refuse_unknown_option(option.shown,
                            std::string_view(name).substr(name.starts_with("--") ? 2 : 1));
    }
  }

  json::value value_of(const Option& option) {
    if (option.row->type == ValueType::kFlag) {
      if (option.negated && option.value) refuse(str(option.shown, ": takes no value"));
      return option.value ? option_value(*option.row, option.shown, *option.value)
                          : json::value(!option.negated);
    }
    if (option.row->type == ValueType::kTexts) return option_values(*option.row, texts_of(option));
    return option_value(*option.row, option.shown, text_of(option));
  }

  std::string text_of(const Option& option) {
    if (option.value) return *option.value;
    if (next_ == arguments_.size() || is_option(arguments_[next_])) {
      refuse(str(option.shown, ": expected one argument: ", option.shown, " ",
                 option.row->value_name));
    }
    return arguments_[next_++];
  }

  std::vector<std::string> texts_of(const Option& option) {
    std::vector<std::string> texts;
    if (option.value) return {*option.value};
    while (next_ < arguments_.size() && !is_option(arguments_[next_])) {
      texts.push_back(arguments_[next_++]);
    }
    if (texts.empty()) {
      refuse(str(option.shown, ": expected at least one argument: ", option.shown, " ",
                 option.row->value_name, " ..."));
    }
    return texts;
  }

  // --arg.key1.key2 value, or --arg.key+ a,b for items of a list.
  void read_dotted(Option option) {
    if (option.row->type != ValueType::kJson) {
      refuse(str(option.shown, ": --", option.row->name,
                 " takes one value, not keys; only JSON options have keys"));
    }
    const std::string text = text_of(option);
    json::value value;
    if (option.keys.ends_with('+')) {
      option.keys.pop_back();
      value = items_of(text);
    } else {
      boost::system::error_code fault;
      value = json::parse(text, fault);
      if (fault) value = json::string(text);
    }
    for (size_t dot = option.keys.rfind('.');; dot = option.keys.rfind('.')) {
      json::object outer;
      outer[option.keys.substr(dot == std::string::npos ? 0 : dot + 1)] = std::move(value);
      value = std::move(outer);
      if (dot == std::string::npos) break;
      option.keys.resize(dot);
    }
    auto& known = dotted_[option.row->name];
    if (known.value.is_null()) known = {json::object(), option.shown};
    merge_json(known.value, value);
  }

  static json::array items_of(std::string_view text) {
    json::array items;
    while (true) {
      const size_t comma = text.find(',');
      items.emplace_back(json::string(text.substr(0, comma)));
      if (comma == std::string_view::npos) return items;
      text.remove_prefix(comma + 1);
    }
  }

  void merge_dotted() {
    for (auto& [name, option] : dotted_) {
      const auto known = parsed_.given.find(name);
      if (known != parsed_.given.end() && known->second.value.is_object()) {
        merge_json(known->second.value, option.value);
      } else {
        parsed_.given[name] = std::move(option);
      }
    }
  }

  const std::span<const std::string> arguments_;
  const EntryPoint entry_;
  size_t next_ = 0;
  ParsedOptions parsed_;
  std::map<std::string_view, GivenOption> dotted_;
};

}  // namespace

void refuse_unknown_option(std::string_view shown, std::string_view name) {
  std::vector<std::string_view> names;
  for (const OptionRow* row : all_options()) names.push_back(row->name);
  const std::string_view close = closest_of(name, names);
  refuse(close.empty() ? str("unrecognized arguments: ", shown, "; --help lists the options")
                       : str("unrecognized arguments: ", shown, "; did you mean --", close, "?"));
}

FoundOption find_option(std::string_view name, std::string_view shown) {
  std::vector<FoundOption> longer;
  for (const OptionRow* row : all_options()) {
    if (row->name == name) return {row, false};
    if (row->name.starts_with(name)) longer.push_back({row, false});
  }
  if (name.starts_with("no-")) {
    const std::string_view rest = name.substr(3);
    for (const OptionRow* row : all_options()) {
      if (row->type != ValueType::kFlag) continue;
      if (row->name == rest) return {row, true};
      if (row->name.starts_with(rest)) longer.push_back({row, true});
    }
  }
  if (longer.size() > 1) {
    std::string names;
    for (const FoundOption& found : longer) {
      names += str(names.empty() ? "" : ", ", found.negated ? "--no-" : "--", found.row->name);
    }
    refuse(str("ambiguous option: ", shown, " could match ", names));
  }
  return longer.empty() ? FoundOption{} : longer.front();
}

LogFormat wanted_log_format(std::span<const std::string> arguments) {
  std::string config;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    std::string name = arguments[i].substr(0, equals);
    std::replace(name.begin(), name.end(), '_', '-');
    std::string value;
    if (equals != std::string::npos) {
      value = arguments[i].substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[i + 1];
    }
    // "--log-" alone could be another option.
    const bool is_format = name.size() > 6 && std::string_view("--log-format").starts_with(name);
    if (is_format) return value == "json" ? LogFormat::kJson : LogFormat::kText;
    if (name == "--config") config = value;
  }
  try {
    if (config.empty()) return LogFormat::kText;
    const auto given = read_config_file(config);
    const auto found = given.find("log-format");
    const bool is_json = found != given.end() && found->second.value == "json";
    return is_json ? LogFormat::kJson : LogFormat::kText;
  } catch (const Error&) {  // told when the options are read
    return LogFormat::kText;
  }
}

ParsedOptions parse_options(std::span<const std::string> arguments, EntryPoint entry) {
  ParsedOptions parsed = ArgumentReader(arguments, entry).read();
  if (parsed.help) return parsed;
  if (const auto file = parsed.given.find("config"); file != parsed.given.end()) {
    parsed.given.merge(read_config_file(std::string(file->second.value.as_string())));
  }
  std::erase_if(parsed.given, [](const auto& item) { return item.second.value.is_null(); });
  return parsed;
}

}  // namespace pagoda
