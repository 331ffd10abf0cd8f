#include "text/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace pagoda {
namespace {

constexpr bool stands_for_itself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

constexpr uint32_t kEndOfAlphabet = 0x144;

struct Alphabet {
  std::array<uint16_t, 256> character_of{};
  std::array<int16_t, kEndOfAlphabet> byte_of{};  // -1: no byte

  constexpr Alphabet() {
    for (int16_t& byte : byte_of) byte = -1;
    uint16_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      character_of[byte] = stands_for_itself(byte) ? static_cast<uint16_t>(byte) : next++;
      byte_of[character_of[byte]] = static_cast<int16_t>(byte);
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

void append_byte_characters(std::string& out, std::string_view bytes) {
  for (const char byte : bytes)
    append_utf8(out, kAlphabet.character_of[static_cast<uint8_t>(byte)]);
}

bool bytes_from_characters(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (size_t i = 0; i < text.size();) {
    const uint32_t character = next_code_point(text, i);
    if (character >= kEndOfAlphabet || kAlphabet.byte_of[character] < 0) {
      bytes.clear();
      return false;
    }
    bytes += static_cast<char>(kAlphabet.byte_of[character]);
  }
  return true;
}

}  // namespace pagoda
