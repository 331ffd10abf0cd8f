#include "text/tokenizer/tokenizer.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/tokenizer_files.h"

namespace pagoda {

struct Tokenizer::Parts : TokenizerParts {};

namespace {

// What one call of encode() needs.
struct EncodeScratch {
  Regex::Scratch regex;
  Bpe::Scratch bpe;
};

class BpeSink final : public PieceSink {
 public:
  BpeSink(const Bpe& bpe, Bpe::Scratch& scratch, TokenIds& out)
      : bpe_(bpe), scratch_(scratch), out_(out) {}
  void take(const Piece& piece) override { bpe_.encode(piece.text, scratch_, out_); }

 private:
  const Bpe& bpe_;
  Bpe::Scratch& scratch_;
  TokenIds& out_;
};

// Text without added tokens.
void encode_plain(const TokenizerParts& parts, const Piece& text, EncodeScratch& scratch,
                  TokenIds& out) {
  BpeSink sink(*parts.bpe, scratch.bpe, out);
  if (parts.pre_tokenizer.steps != nullptr) {
    parts.pre_tokenizer.steps->split(text, scratch.regex, sink);
  } else {
    sink.take(text);
  }
}

// Text without those added tokens that are found before normalization.
void encode_section(const TokenizerParts& parts, const Piece& section, EncodeScratch& scratch,
                    TokenIds& out) {
  std::string normalized;
  std::string_view text = section.text;
  if (parts.normalizer != nullptr) {
    normalized = section.text;
    parts.normalizer->apply(normalized);
    text = normalized;
  }
  parts.added.split(text, true, [&](auto part) {
    if constexpr (std::is_same_v<decltype(part), int32_t>) {
      out.emplace_back(part);
    } else {
      const bool at_start = section.at_start && part.data() == text.data();
      encode_plain(parts, {part, at_start}, scratch, out);
    }
  });
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string replaced;
  size_t begin = 0;
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, begin)) {
    replaced.append(text, begin, at - begin);
    replaced += to;
    begin = at + from.size();
  }
  if (begin == 0) return;
  replaced.append(text, begin);
  text = std::move(replaced);
}

// transformers 4.53, tokenization_utils_base.py, clean_up_tokenization.
void clean_up_spaces(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kReplacements) replace_all(text, from, to);
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  auto parts = std::make_unique<Parts>();
  static_cast<TokenizerParts&>(*parts) = read_tokenizer_files(folder);
  return Tokenizer(std::move(parts));
}

TokenIds Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = to_valid_utf8(text);
    text = repaired;
  }
  EncodeScratch scratch;
  TokenIds out;
  if (add_special_tokens) out = parts_->surroundings.before;
  parts_->added.split(text, false, [&](auto part) {
    if constexpr (std::is_same_v<decltype(part), int32_t>) {
      out.emplace_back(part);
    } else {
      encode_section(*parts_, {part, part.data() == text.data()}, scratch, out);
    }
  });
  if (add_special_tokens) {
    const TokenIds& after = parts_->surroundings.after;
    out.insert(out.end(), after.begin(), after.end());
  }
  return out;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  TokenDecoder::Stream stream(parts_->decoder);
  std::string text;
  for (const TokenId id : ids) {
    const std::string name = token(id);
    if (name.empty() || (skip_special_tokens && is_special(id))) continue;
    stream.add(name, text);
  }
  stream.finish(text);
  return text;
}

std::string Tokenizer::decode_for_display(std::span<const TokenId> ids) const {
  std::string text = decode(ids, false);
  if (parts_->cleans_up_spaces) clean_up_spaces(text);
  return text;
}

int64_t Tokenizer::vocab_size() const {
  return std::max(parts_->bpe->names().size(), parts_->added.end_of_ids());
}

std::optional<TokenId> Tokenizer::id_of(std::string_view token) const {
  if (const AddedToken* added = parts_->added.find(token)) return TokenId(added->id);
  const std::optional<int32_t> id = parts_->bpe->names().find(token);
  if (!id) return std::nullopt;
  return TokenId(*id);
}

std::string Tokenizer::token(TokenId id) const {
  if (const AddedToken* added = parts_->added.find(id.value())) return added->content;
  return std::string(parts_->bpe->names().name(id.value()));
}

std::string Tokenizer::bytes_of(TokenId id) const {
  if (is_special(id)) return {};
  const std::string name = token(id);
  return name.empty() ? name : parts_->decoder.bytes_of(name);
}

bool Tokenizer::is_special(TokenId id) const {
  const AddedToken* added = parts_->added.find(id.value());
  return added != nullptr && added->special;
}

bool Tokenizer::is_added(TokenId id) const {
  return parts_->added.find(id.value()) != nullptr;
}

std::optional<TokenId> Tokenizer::bos() const {
  return parts_->bos;
}
std::optional<TokenId> Tokenizer::eos() const {
  return parts_->eos;
}
std::optional<TokenId> Tokenizer::pad() const {
  return parts_->pad;
}
std::optional<TokenId> Tokenizer::unk() const {
  return parts_->unk;
}

bool Tokenizer::adds_bos() const {
  const TokenIds& before = parts_->surroundings.before;
  return parts_->bos && !before.empty() && before.front() == *parts_->bos;
}

const TokenDecoder& Tokenizer::decoder() const {
  return parts_->decoder;
}

}  // namespace pagoda
