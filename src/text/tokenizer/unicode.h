// What tokenizers ask about code points, and the Unicode normal forms.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace pagoda {

enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };

// `text` must be valid UTF-8. Linear but for the sorting of marks in a row.
void normalize(std::string& text, NormalForm form);

bool is_white_space(uint32_t code_point);  // White_Space
bool is_number(uint32_t code_point);       // Nd, Nl, No
bool is_punctuation(uint32_t code_point);  // ASCII punctuation (symbols too), or P*
bool is_mark(uint32_t code_point);         // M*
// As Rust's char::to_lowercase, which knows no context.
void append_lower_case(std::string& out, uint32_t code_point);

}  // namespace pagoda
