// Every option of `pagoda serve`, a row each. Parsing, --help and docs/options.md are made from
// these rows, so an option that is not here does not exist, and one that is here is described.
//
// Thread rule: constants.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pagoda {

struct Settings;

enum class OptionGroup : uint8_t {
  kServe,
  kFrontend,
  kModel,
  kLoad,
  kDecoding,
  kParallel,
  kCache,
  kMultiModal,
  kLora,
  kSpeculative,
  kObservability,
  kScheduler,
  kGeneral,
  kPagoda,
};

enum class ValueType : uint8_t {
  kFlag,          // --x, --no-x
  kText,          //
  kInteger,       //
  kHumanInteger,  // 1k = 1000, 1K = 1024
  kNumber,        //
  kJson,          // an object; --x.key value sets one key of it
  kTexts,         // --x a b c
  kJsonTexts,     // '["a", "b"]', or one text
};

// What an option or a variable does in this program.
enum class Standing : uint8_t {
  kWorks,
  kNoMeaning,  // accepted, with one log line that says why it changes nothing
  kHarmless,   // accepted at its default and at `harmless`; other values are refused
  kNotYet,     // refused at any value but its default
};

struct OptionRow {
  std::string_view name = {};     // without the dashes
  std::string_view aliases = {};  // with their dashes, separated by a blank
  OptionGroup group = OptionGroup::kPagoda;
  ValueType type = ValueType::kFlag;
  std::string_view value_name = {};     // in --help
  std::string_view default_value = {};  // as one would type it; empty: None
  std::string_view choices = {};        // allowed texts, separated by |; empty: any
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  std::string_view help = {};
  Standing standing = Standing::kWorks;
  std::string_view note = {};      // kNoMeaning: why; kHarmless, kNotYet: what is possible instead
  std::string_view harmless = {};  // for kHarmless: values separated by |; * for any
  // Writes the value where it belongs; every row that works has one. The default is written the
  // same way, before anything that the user gives.
  void (*apply)(Settings& settings, const boost::json::value& value) = nullptr;
};

// What works writes somewhere, what does not says why: checked when the tables are compiled.
constexpr bool are_complete(std::span<const OptionRow> rows) {
  for (const OptionRow& row : rows) {
    const bool works = row.standing == Standing::kWorks;
    if (works != (row.apply != nullptr) || works != row.note.empty() || row.help.empty()) {
      return false;
    }
  }
  return true;
}

// The rows of one subject, each in a file of its own (options_*.cc).
std::span<const OptionRow> server_options();
std::span<const OptionRow> model_options();
std::span<const OptionRow> engine_options();
std::span<const OptionRow> media_options();
std::span<const OptionRow> other_options();

// All rows, in the order of --help.
std::vector<const OptionRow*> all_options();

struct GroupTitle {
  OptionGroup group;
  std::string_view name = {};   // what --help=<group> takes: as vLLM calls it
  std::string_view title = {};  // a sentence
};
std::span<const GroupTitle> option_groups();

// "a|b|c" holds "b".
bool is_among(std::string_view list, std::string_view item);
std::vector<std::string_view> split_choices(std::string_view list);

}  // namespace pagoda
