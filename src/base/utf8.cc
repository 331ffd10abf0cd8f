#include "base/utf8.h"

namespace pagoda {
namespace {

struct Lead {
  int continuation_bytes;           // -1: begins nothing
  uint32_t bits;                    // of the code point, from the first byte
  uint8_t second_low, second_high;  // range of the second byte (no overlong forms, no surrogates)
};

Lead lead_of(uint8_t b) {
  if (b < 0x80) return {0, b, 0, 0};
  if (b < 0xC2) return {-1, 0, 0, 0};
  if (b < 0xE0) return {1, b & 0x1Fu, 0x80, 0xBF};
  if (b < 0xF0) {
    return {2, b & 0x0Fu, static_cast<uint8_t>(b == 0xE0 ? 0xA0 : 0x80),
            static_cast<uint8_t>(b == 0xED ? 0x9F : 0xBF)};
  }
  if (b < 0xF5) {
    return {3, b & 0x07u, static_cast<uint8_t>(b == 0xF0 ? 0x90 : 0x80),
            static_cast<uint8_t>(b == 0xF4 ? 0x8F : 0xBF)};
  }
  return {-1, 0, 0, 0};
}

// The code point at text[i] or nothing valid; `length` is what to skip, `cut` whether text ended.
struct Decoded {
  uint32_t code_point;
  size_t length;
  bool valid, cut;
};

Decoded decode(std::string_view text, size_t i) {
  const Lead lead = lead_of(static_cast<uint8_t>(text[i]));
  if (lead.continuation_bytes < 0) return {kReplacementCharacter, 1, false, false};
  uint32_t code_point = lead.bits;
  for (int k = 1; k <= lead.continuation_bytes; ++k) {
    const size_t at = i + static_cast<size_t>(k);
    if (at >= text.size()) return {kReplacementCharacter, at - i, false, true};
    const auto b = static_cast<uint8_t>(text[at]);
    const uint8_t low = k == 1 ? lead.second_low : 0x80, high = k == 1 ? lead.second_high : 0xBF;
    if (b < low || b > high) return {kReplacementCharacter, at - i, false, false};
    code_point = (code_point << 6) | (b & 0x3Fu);
  }
  return {code_point, static_cast<size_t>(lead.continuation_bytes) + 1, true, false};
}

}  // namespace

uint32_t next_code_point(std::string_view text, size_t& i) {
  const Decoded d = decode(text, i);
  i += d.length;
  return d.code_point;
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (static_cast<uint8_t>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const Decoded d = decode(text, i);
    if (!d.valid) return false;
    i += d.length;
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Decoded d = decode(text, i);
    if (d.valid) {
      out += text.substr(i, d.length);
    } else {
      append_utf8(out, kReplacementCharacter);
    }
    i += d.length;
  }
  return out;
}

size_t incomplete_utf8_tail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const size_t i = text.size() - back;
    const auto b = static_cast<uint8_t>(text[i]);
    if (b < 0x80) return 0;
    if (b >= 0xC0) {
      const Decoded d = decode(text, i);
      return d.cut && d.length == back ? back : 0;
    }
  }
  return 0;
}

size_t num_code_points(std::string_view text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size(); ++n) next_code_point(text, i);
  return n;
}

}  // namespace pagoda
