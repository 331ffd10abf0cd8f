// The alphabet in which byte-level vocabularies write bytes: printable Latin-1 characters stand for
// themselves, the other bytes for the characters from U+0100 on ("Ġ" is a blank). GPT-2's
// bytes_to_unicode().
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace pagoda {

void append_byte_characters(std::string& out, std::string_view bytes);
// False, with `bytes` cleared, if the text has a character that is not in the alphabet.
bool bytes_from_characters(std::string_view text, std::string& bytes);

}  // namespace pagoda
