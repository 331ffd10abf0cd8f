// Regular expressions in Oniguruma's dialect (its default syntax, doc/RE of 6.9.8) written for
// PCRE2, as far as they mean the same there to the last code point.
//
// Thread rule: pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pagoda {

// For PCRE2 in UTF and UCP mode. nullopt: not exactly expressible, or no expression. Expressible is
// what the words of large families of models are written in:
//  - characters, escaped or not, \xHH below 80, \x{H}, \uHHHH, and the dot;
//  - \s \w \d, their complements, \p{Word}, and general categories: \p{L}, \P{Nd} ...;
//  - classes of these, with ranges and ^, but without [, && and complements of \s and \w in them;
//  - * + ? {n} {n,} {n,m}, possessive too (but for {}), behind what is one code point; at most two
//    loops in one alternative, because PCRE2's compiled code does not count how often they go back;
//  - groups, plain or (?:, with alternatives, which may be left out (?) but not repeated;
//  - negative lookaheads;
//  - (?i: around characters and classes of ASCII, where no "ss", "st", "ff", "fi" or "fl" can
//  arise,
//    which are ß and ligatures to Oniguruma.
// Of the rest, repeated groups, anchors, lookbehinds, positive lookaheads and atomic groups differ
// in corners where one of the two engines has a fault.
std::optional<std::string> pcre2_from_oniguruma(std::string_view pattern);

}  // namespace pagoda
