// --help, and docs/options.md: the tables of options and variables as text.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace pagoda {

// `topic`: "" for all, "listgroup", the name of a group, or a word that options have.
std::string serve_help(std::string_view topic);
// `pagoda --help`.
std::string program_help();
// docs/options.md.
std::string options_page();

}  // namespace pagoda
