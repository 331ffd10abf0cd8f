// textwrap.wrap of Python 3.11, as the wordwrap filter of Jinja2 calls it: tabs and white space
// stay as they are, and one line of text goes in.

#include <algorithm>
#include <memory_resource>
#include <span>
#include <vector>

#include "base/utf8.h"
#include "text/template/filters.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

constexpr std::string_view kBlanks = "\t\n\x0b\x0c\r ";

bool is_blank(uint32_t c) {
  return c < 0x80 && kBlanks.find(static_cast<char>(c)) != std::string_view::npos;
}
bool is_letter(uint32_t c) {
  return is_word(c) && !(c >= '0' && c <= '9');
}

using CodePoints = std::pmr::vector<uint32_t>;
using Chunk = std::span<const uint32_t>;  // of the line
using Chunks = std::pmr::vector<Chunk>;

bool is_dash_at(const CodePoints& text, size_t i) {
  return i < text.size() && text[i] == '-';
}

// An em-dash, "--" or longer, between words.
size_t size_of_dash(const CodePoints& text, size_t i) {
  constexpr std::string_view kBefore = "!\"'&.,?";
  const bool word_before =
      i > 0 && (is_word(text[i - 1]) ||
                (text[i - 1] < 0x80 &&
                 kBefore.find(static_cast<char>(text[i - 1])) != std::string_view::npos));
  if (!word_before) return 0;  // before the dashes are counted: inside of many there is none
  size_t size = 0;
  while (is_dash_at(text, i + size)) ++size;
  const bool word_behind = i + size < text.size() && is_word(text[i + size]);
  return size >= 2 && word_behind ? size : 0;
}

// Whether a word that began at `begin` may be cut behind the hyphen at i: two letters before it (or
// a hyphen between two), two behind it. What is before may belong to the word before.
bool is_hyphen_break(const CodePoints& text, size_t begin, size_t i) {
  if (text[i] != '-' || i <= begin) return false;
  const auto letter_at = [&](size_t at) { return at < text.size() && is_letter(text[at]); };
  const auto letter_before = [&](size_t distance) {
    return i >= distance && is_letter(text[i - distance]);
  };
  const bool hyphen_before = i >= 2 && text[i - 2] == '-';
  const bool before = letter_before(1) && (letter_before(2) || (hyphen_before && letter_before(3)));
  const bool behind =
      letter_at(i + 1) && (letter_at(i + 2) || (is_dash_at(text, i + 2) && letter_at(i + 3)));
  return before && behind;
}

size_t end_of_word(const CodePoints& text, size_t begin, bool break_on_hyphens) {
  size_t i = begin;
  while (i < text.size() && !is_blank(text[i])) {
    if (break_on_hyphens && i > begin && size_of_dash(text, i) != 0) return i;
    ++i;
    if (break_on_hyphens && is_hyphen_break(text, begin, i - 1)) return i;
  }
  return i;
}

Chunks chunks_of(TemplateHeap& heap, const CodePoints& text, bool break_on_hyphens) {
  Chunks chunks(heap.scratch());
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    if (is_blank(text[i])) {
      while (end < text.size() && is_blank(text[end])) ++end;
    } else if (const size_t dash = break_on_hyphens ? size_of_dash(text, i) : 0) {
      end = i + dash;
    } else {
      end = end_of_word(text, i, break_on_hyphens);
    }
    chunks.push_back(Chunk(text).subspan(i, end - i));
    i = end;
  }
  return chunks;
}

// How much of a word that fits no line goes onto this one: up to the last hyphen if there is one.
size_t cut_of(const Chunk& chunk, size_t space, bool break_on_hyphens) {
  if (!break_on_hyphens || chunk.size() <= space) return space;
  for (size_t i = space; i-- > 1;) {
    if (chunk[i] != '-') continue;
    const bool word = std::any_of(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(i),
                                  [](uint32_t c) { return c != '-'; });
    return word ? i + 1 : space;
  }
  return space;
}

// A word that is cut line by line is asked again and again, so each look is charged.
bool is_white(TemplateHeap& heap, const Chunk& chunk) {
  const auto ink = std::find_if_not(chunk.begin(), chunk.end(), &is_space);
  heap.spend_items(static_cast<size_t>(ink - chunk.begin()));
  return ink == chunk.end();
}

// Takes the next line off `chunks`, whose back is what comes next.
std::vector<Chunk> take_line(Chunks& chunks, const WrapStyle& style) {
  const auto width = static_cast<size_t>(style.width);
  std::vector<Chunk> line;
  size_t size = 0;
  const auto take = [&] {
    size += chunks.back().size();
    line.push_back(chunks.back());
    chunks.pop_back();
  };
  while (!chunks.empty() && size + chunks.back().size() <= width) take();
  if (chunks.empty() || chunks.back().size() <= width) return line;
  if (style.break_long_words) {
    Chunk& word = chunks.back();
    const size_t cut = cut_of(word, width - size, style.break_on_hyphens);
    line.push_back(word.first(cut));
    word = word.subspan(cut);
  } else if (line.empty()) {
    take();
  }
  return line;
}

}  // namespace

void append_wrapped(TemplateHeap& heap, std::string& out, std::string_view line,
                    const WrapStyle& style) {
  CodePoints text(heap.scratch());
  for (size_t i = 0; i < line.size();) text.push_back(next_code_point(line, i));
  Chunks chunks = chunks_of(heap, text, style.break_on_hyphens);
  std::reverse(chunks.begin(), chunks.end());
  bool is_first = true;
  while (!chunks.empty()) {
    if (!is_first && is_white(heap, chunks.back())) chunks.pop_back();
    std::vector<Chunk> current = take_line(chunks, style);
    heap.spend(2 + static_cast<int64_t>(current.size()));
    if (!current.empty() && is_white(heap, current.back())) current.pop_back();
    if (current.empty()) continue;
    heap.spend_bytes(style.separator.size());
    heap.check_text_size(out.size() + style.separator.size());
    if (!is_first) out += style.separator;
    is_first = false;
    for (const Chunk& chunk : current) {
      for (const uint32_t c : chunk) append_utf8(out, c);
    }
  }
}

}  // namespace pagoda
