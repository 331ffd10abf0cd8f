#include "text/tokenizer/token_decoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/replacer.h"

namespace pagoda {
namespace {

class ReplaceStep final : public TokenStep {
 public:
  explicit ReplaceStep(const JsonReader& section) : replacer_(section) {}
  void apply(std::string& token, bool /*is_first*/) const override { replacer_.apply(token); }

 private:
  const Replacer replacer_;
};

class MetaspaceStep final : public TokenStep {
 public:
  MetaspaceStep(std::string_view mark, bool drops_first) : mark_(mark), drops_first_(drops_first) {}
  void apply(std::string& token, bool is_first) const override {
    std::string text;
    for (size_t i = 0; i < token.size();) {
      if (!std::string_view(token).substr(i).starts_with(mark_)) {
        text += token[i++];
        continue;
      }
      if (!is_first || !drops_first_) text += ' ';
      i += mark_.size();
    }
    token = std::move(text);
  }

 private:
  const std::string mark_;
  const bool drops_first_;
};

void strip_begin_of(std::string& text, std::string_view character, int64_t most) {
  for (; most > 0 && text.starts_with(character); --most) text.erase(0, character.size());
}

void strip_end_of(std::string& text, std::string_view character, int64_t most) {
  for (; most > 0 && text.ends_with(character); --most) text.resize(text.size() - character.size());
}

class StripStep final : public TokenStep {
 public:
  StripStep(std::string_view character, int64_t begin, int64_t end)
      : character_(character), begin_(begin), end_(end) {}
  void apply(std::string& token, bool /*is_first*/) const override {
    strip_begin_of(token, character_, begin_);
    strip_end_of(token, character_, end_);
  }

 private:
  const std::string character_;
  const int64_t begin_, end_;
};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The byte that "<0x0A>" stands for.
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  const int high = hex_value(token[3]), low = hex_value(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

}  // namespace

TokenDecoder::TokenDecoder() : form_(Form::kSpaced) {}
TokenDecoder::TokenDecoder(TokenDecoder&&) noexcept = default;
TokenDecoder& TokenDecoder::operator=(TokenDecoder&&) noexcept = default;
TokenDecoder::~TokenDecoder() = default;

TokenDecoder::TokenDecoder(const JsonReader& section) {
  if (section.text("type") != "Sequence") {
    add_step(section, false);
    return;
  }
  bool fused = false;
  for (const JsonReader& step : section.at("decoders").items()) {
    if (step.text("type") == "Fuse") {
      fused = true;
    } else {
      add_step(step, fused);
    }
    fused = fused || form_ == Form::kByteLevel;  // its result is one text
  }
}

void TokenDecoder::set_form(const JsonReader& section, Form form) {
  if (form_ != Form::kPlain) section.refuse("is the second decoder that makes bytes");
  form_ = form;
}

void TokenDecoder::add_step(const JsonReader& section, bool fused) {
  const std::string_view type = section.text("type");
  if (type == "Strip") {
    const std::string_view character = section.text("content");
    if (character.empty()) section.refuse("strips an empty text");
    const int64_t begin = section.integer_or("start", 0), end = section.integer_or("stop", 0);
    if (!fused) {
      steps_.push_back(std::make_unique<StripStep>(character, begin, end));
      return;
    }
    if (!strip_character_.empty()) section.refuse("is the second Strip of the whole text");
    strip_character_ = character;
    strip_begin_ = begin;
    strip_end_ = end;
    return;
  }
  if (type == "Fuse") return;
  if (fused) section.refuse(str("of type ", type, " behind Fuse is not supported"));
  if (type == "ByteLevel") return set_form(section, Form::kByteLevel);
  if (type == "ByteFallback") return set_form(section, Form::kByteFallback);
  if (form_ != Form::kPlain) {
    section.refuse(str("of type ", type, " behind ByteFallback is not supported"));
  }
  if (type == "Replace") {
    steps_.push_back(std::make_unique<ReplaceStep>(section));
  } else if (type == "Metaspace") {
    const bool prepends = section.flag_or("add_prefix_space", true) &&
                          section.text_or("prepend_scheme", "always") != "never";
    steps_.push_back(
        std::make_unique<MetaspaceStep>(section.text_or("replacement", "\u2581"), prepends));
  } else {
    section.refuse(str("is of type ", type,
                       ", which is not supported; supported are Sequence, ByteLevel, "
                       "ByteFallback, Fuse, Replace, Strip and Metaspace"));
  }
}

std::string TokenDecoder::bytes_of(std::string_view token) const {
  std::string text(token);
  for (const auto& step : steps_) step->apply(text, false);
  std::string bytes;
  if (form_ == Form::kByteLevel) return bytes_from_characters(text, bytes) ? bytes : text;
  const std::optional<char> byte = form_ == Form::kByteFallback ? byte_of(text) : std::nullopt;
  return byte ? std::string(1, *byte) : text;
}

TokenDecoder::Stream::Stream(const TokenDecoder& decoder)
    : decoder_(&decoder), left_to_strip_(decoder.strip_begin_) {}

void TokenDecoder::Stream::add(std::string_view token, std::string& out) {
  std::string text(token);
  for (const auto& step : decoder_->steps_) step->apply(text, is_first_);
  std::string bytes;
  switch (decoder_->form_) {
    case Form::kPlain: ready_ += text; break;
    case Form::kSpaced:
      if (!is_first_) ready_ += ' ';
      ready_ += text;
      break;
    case Form::kByteLevel: add_bytes(bytes_from_characters(text, bytes) ? bytes : text); break;
    case Form::kByteFallback:
      if (const std::optional<char> byte = byte_of(text)) {
        add_byte_of_run(*byte);
      } else {
        end_run();
        ready_ += text;
      }
      break;
  }
  is_first_ = false;
  release(out, false);
}

void TokenDecoder::Stream::finish(std::string& out) {
  if (decoder_->form_ == Form::kByteFallback) end_run();
  ready_ += to_valid_utf8(std::exchange(pending_, {}));
  release(out, true);
}

void TokenDecoder::Stream::add_bytes(std::string_view bytes) {
  pending_ += bytes;
  const size_t complete = pending_.size() - incomplete_utf8_tail(pending_);
  ready_ += to_valid_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
}

// The reference turns a whole run of byte tokens into U+FFFDs, one a byte, if any of it is not
// UTF-8. That cannot be known before the run ends, and waiting for it would delay every emoji and
// every "\n", so here (as in vLLM's stream) the code points that are complete stay, and each other
// byte becomes U+FFFD.
void TokenDecoder::Stream::add_byte_of_run(char byte) {
  pending_ += byte;
  size_t at = 0;
  while (at < pending_.size()) {
    const std::string_view rest = std::string_view(pending_).substr(at);
    if (incomplete_utf8_tail(rest) == rest.size()) break;
    size_t length = 0;
    const uint32_t code_point = next_code_point(rest, length);
    const bool valid = code_point != kReplacementCharacter || rest.starts_with("\uFFFD");
    if (!valid) length = 1;
    append_utf8(ready_, valid ? code_point : kReplacementCharacter);
    at += length;
  }
  pending_.erase(0, at);
}

void TokenDecoder::Stream::end_run() {
  for (size_t i = 0; i < pending_.size(); ++i) append_utf8(ready_, kReplacementCharacter);
  pending_.clear();
}

// Hands ready_ out but for what Strip may still take from its end.
void TokenDecoder::Stream::release(std::string& out, bool at_end) {
  strip_begin();
  const std::string& character = decoder_->strip_character_;
  std::string kept = ready_;
  if (decoder_->strip_end_ > 0) strip_end_of(kept, character, decoder_->strip_end_);
  out += kept;
  ready_.erase(0, at_end ? ready_.size() : kept.size());
}

void TokenDecoder::Stream::strip_begin() {
  const std::string& character = decoder_->strip_character_;
  while (left_to_strip_ > 0 && !ready_.empty()) {
    if (ready_.starts_with(character)) {
      ready_.erase(0, character.size());
      --left_to_strip_;
    } else {
      left_to_strip_ = 0;
    }
  }
}

}  // namespace pagoda
