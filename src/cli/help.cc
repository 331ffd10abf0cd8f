#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "base/str.h"
#include "cli/environment_table.h"
#include "cli/option_table.h"

namespace pagoda {
namespace {

constexpr size_t kColumns = 100;  // of a terminal
constexpr size_t kHelpColumn = 28;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string joined(std::string_view list, std::string_view separator) {
  std::string text;
  for (const std::string_view item : split_choices(list)) {
    text += str(text.empty() ? "" : separator, item);
  }
  return text;
}

// "--max-num-seqs N, -x N"
std::string spelling_of(const OptionRow& row) {
  if (row.name == "model") return "MODEL (--model MODEL)";
  const bool switches_off = row.type == ValueType::kFlag && row.default_value == "true";
  std::string text = str(switches_off ? "--[no-]" : "--", row.name);
  if (!row.aliases.empty()) text += str(", ", row.aliases);
  if (!row.value_name.empty()) text += str(" ", row.value_name);
  return text + (row.type == ValueType::kTexts ? " ..." : "");
}

std::string standing_of(Standing standing, std::string_view note, std::string_view harmless) {
  switch (standing) {
    case Standing::kWorks: return "works";
    case Standing::kNoMeaning: return str("no effect: ", note);
    case Standing::kHarmless:
      if (harmless == "*") return str("changes nothing: ", note);
      return str("only ", joined(harmless, ", "), ": ", note);
    case Standing::kNotYet: return str("not yet: ", note);
  }
  return "";
}

// Words of `text` in lines that begin at kHelpColumn.
std::string wrapped(std::string_view text) {
  std::string result;
  size_t column = kColumns;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (column + word.size() + 1 > kColumns) {
      if (!result.empty()) result += str("\n", std::string(kHelpColumn, ' '));
      column = kHelpColumn;
    } else {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

std::string described(const OptionRow& row) {
  std::string text(row.help);
  if (!row.choices.empty()) text += str(" {", joined(row.choices, ","), "}");
  const bool is_off = row.type == ValueType::kFlag && row.default_value == "false";
  if (!row.default_value.empty() && !is_off) text += str(" (default: ", row.default_value, ")");
  if (row.standing != Standing::kWorks) {
    text += str(" [", standing_of(row.standing, row.note, row.harmless), "]");
  }
  return text;
}

std::string entry_of(const OptionRow& row) {
  const std::string spelling = str("  ", spelling_of(row));
  const bool fits = spelling.size() + 2 <= kHelpColumn;
  return fits ? fmt::format("{:<{}}{}\n", spelling, kHelpColumn, wrapped(described(row)))
              : fmt::format("{}\n{:{}}{}\n", spelling, "", kHelpColumn, wrapped(described(row)));
}

std::string group_help(const GroupTitle& group) {
  std::string text = str(group.name, ": ", group.title, "\n");
  for (const OptionRow* row : all_options()) {
    if (row->group == group.group) text += entry_of(*row);
  }
  return text;
}

std::string list_of_groups() {
  std::string text = "Groups of options; --help=<group> shows one.\n";
  for (const GroupTitle& group : option_groups()) {
    text += fmt::format("  {:<22}{}\n", group.name, group.title);
  }
  return text;
}

std::string options_with(std::string_view word) {
  std::string needle = lower(word), text;
  std::replace(needle.begin(), needle.end(), '_', '-');
  for (const OptionRow* row : all_options()) {
    const bool is_found = row->name.find(needle) != std::string_view::npos ||
                          lower(row->help).find(needle) != std::string::npos;
    if (is_found) text += entry_of(*row);
  }
  return text;
}

// A cell of a Markdown table.
std::string cell(std::string_view text, bool code = false) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return code && !escaped.empty() ? str("`", escaped, "`") : escaped;
}

std::string option_rows(OptionGroup group) {
  std::string text;
  for (const OptionRow* row : all_options()) {
    if (row->group != group) continue;
    std::string help(row->help);
    if (!row->choices.empty()) help += str(" (", joined(row->choices, ", "), ")");
    const bool is_off = row->type == ValueType::kFlag && row->default_value == "false";
    text += fmt::format("| {} | {} | {} | {} |\n", cell(spelling_of(*row), true),
                        is_off ? "" : cell(row->default_value, true), cell(help),
                        cell(standing_of(row->standing, row->note, row->harmless)));
  }
  return text;
}

std::string variable_rows() {
  std::string text;
  for (const VariableRow& row : all_variables()) {
    text +=
        fmt::format("| {} | {} | {} | {} |\n", cell(row.name, true), cell(row.default_value, true),
                    cell(row.help), cell(standing_of(row.standing, row.note, row.harmless)));
  }
  return text;
}

constexpr std::string_view kUsage =
    "usage: pagoda serve MODEL [options]\n"
    "\n"
    "Serves a model behind an OpenAI-compatible HTTP API. MODEL is a folder in Hugging Face's "
    "form,\n"
    "or the name of a model on Hugging Face or ModelScope. Options may have _ for -, may be cut\n"
    "short where that is clear, and may stand in a YAML file (--config). --help=listgroup,\n"
    "--help=<group> and --help=<word> show parts of this page.\n";

}  // namespace

std::string serve_help(std::string_view topic) {
  if (topic == "listgroup") return list_of_groups();
  std::string text(topic.empty() ? str(kUsage, "\n") : "");
  for (const GroupTitle& group : option_groups()) {
    if (lower(topic) == lower(group.name)) return group_help(group);
    if (topic.empty()) text += group_help(group) + "\n";
  }
  if (!topic.empty()) text = options_with(topic);
  if (!text.empty()) return text;
  return str("No option and no group has \"", topic, "\" in its name or help.\n", list_of_groups());
}

std::string program_help() {
  return "usage: pagoda COMMAND [arguments]\n"
         "\n"
         "  pagoda serve MODEL [options]     serve a model behind an OpenAI-compatible HTTP API\n"
         "  pagoda --model MODEL [options]   the same, in the form of vLLM's container images\n"
         "  pagoda plan MODEL [options]      what serving it would take, and on how many "
         "devices\n"
         "  pagoda download MODEL [options]  get a model from a hub without serving it\n"
         "  pagoda list [options]            the models that the caches hold\n"
         "  pagoda health [options]          whether the server that runs here is healthy\n"
         "  pagoda doctor [options]          what of this machine hinders serving, and what to do\n"
         "  pagoda serve --help              all options\n"
         "  pagoda help --markdown           all options, as docs/options.md has them\n"
         "  pagoda --version                 the versions of Pagoda, and of the vLLM it stands in "
         "for\n";
}

std::string options_page() {
  std::string page =
      "# Options of `pagoda serve`\n"
      "\n"
      "Made by `pagoda help --markdown` from the tables that the program parses with; a test keeps "
      "it\n"
      "equal to them. The names are those of `vllm serve` 0.9.2. The last column says what an "
      "option\n"
      "does here: it *works*; it has *no effect*, is accepted, and the log says why; *only* some\n"
      "values are accepted; or it is *not yet* possible and refused with the reason. Giving an "
      "option\n"
      "its default is always accepted.\n"
      "\n"
      "`_` and `-` are the same in names. A name may be cut short where only one begins so. Flags\n"
      "have a `--no-` form. JSON options take JSON, or keys: `--rope-scaling.factor 4`; a `+` "
      "behind\n"
      "the last key appends to a list. `--max-model-len 4k` is 4000, `4K` is 4096. `--config "
      "FILE`\n"
      "reads a YAML file of long names; the command line wins over it.\n";
  for (const GroupTitle& group : option_groups()) {
    page += fmt::format(
        "\n## {}\n\n{}\n\n| option | default | what it says | here |\n"
        "|---|---|---|---|\n{}",
        group.name, group.title, option_rows(group.group));
  }
  page += fmt::format(
      "\n## Environment variables\n\nOptions win over variables.\n\n"
      "| variable | default | what it says | here |\n|---|---|---|---|\n{}",
      variable_rows());
  return page;
}

}  // namespace pagoda
