// Decoders of tokenizer files: tokens, as the vocabulary writes them, back to text, token by token.
//
// Thread rule: a TokenDecoder is fixed after construction; a Stream belongs to one thread.
// Invariant: what a Stream gives out is valid UTF-8 and final.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"

namespace pagoda {

// One rewriting of a single token.
class TokenStep {
 public:
  virtual ~TokenStep() = default;
  virtual void apply(std::string& token, bool is_first) const = 0;
};

class TokenDecoder {
 public:
  // How tokens become bytes.
  enum class Form : uint8_t {
    kPlain,         // they are text
    kSpaced,        // they are text, and a blank goes between them (a file without a decoder)
    kByteLevel,     // they are written in the byte alphabet
    kByteFallback,  // they are text but for <0x0A> and the like, which are bytes
  };

  TokenDecoder();  // of a file without a decoder
  // Throws kCheckpoint naming the type if it is not supported.
  explicit TokenDecoder(const JsonReader& section);
  TokenDecoder(TokenDecoder&&) noexcept;
  TokenDecoder& operator=(TokenDecoder&&) noexcept;
  ~TokenDecoder();

  // The bytes of a token that is not the first of a text.
  std::string bytes_of(std::string_view token) const;

  class Stream {
   public:
    explicit Stream(const TokenDecoder& decoder);
    // Appends the text that is final with this token.
    void add(std::string_view token, std::string& out);
    // Appends what unfinished bytes at the end stand for. The stream is used up.
    void finish(std::string& out);

   private:
    void add_bytes(std::string_view bytes);
    void add_byte_of_run(char byte);
    void end_run();
    void release(std::string& out, bool at_end);
    void strip_begin();

    const TokenDecoder* decoder_;
    bool is_first_ = true;
    std::string pending_;  // bytes that do not end a code point yet
    std::string ready_;    // text that is final but for stripping at its end
    int64_t left_to_strip_;
  };

 private:
  void add_step(const JsonReader& section, bool fused);
  void set_form(const JsonReader& section, Form form);

  Form form_ = Form::kPlain;
  std::vector<std::unique_ptr<const TokenStep>> steps_;
  // Of the whole text: up to so many of this character are taken from its ends.
  std::string strip_character_;
  int64_t strip_begin_ = 0, strip_end_ = 0;
};

}  // namespace pagoda
