#include "text/template/value.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "base/json_writer.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

constexpr size_t kLinearEntries = 8;

uint64_t mix(uint64_t seed, uint64_t value) {
  // The finalizer of MurmurHash3 over a running sum.
  uint64_t h = seed * 31 + value;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return h ^ (h >> 33);
}

uint64_t hash_of_real(double value) {
  // A float that is a whole number is the same key as that integer.
  constexpr double kLimit = 9.2e18;
  if (std::abs(value) < kLimit && value == std::floor(value)) {
    return mix(1, static_cast<uint64_t>(static_cast<int64_t>(value)));
  }
  return mix(2, std::bit_cast<uint64_t>(value));
}

void append_items(TemplateHeap& heap, std::string& out, const TemplateSequence& sequence) {
  bool first = true;
  for (const TemplateValue& item : sequence.items) {
    if (!first) out += ", ";
    first = false;
    append_repr(heap, out, item);
  }
}

void append_range(std::string& out, const TemplateSequence& sequence) {
  out += str("range(", sequence.range[0], ", ", sequence.range[1]);
  if (sequence.range[2] != 1) out += str(", ", sequence.range[2]);
  out += ')';
}

void append_sequence(TemplateHeap& heap, std::string& out, const TemplateSequence& sequence) {
  const bool tuple = sequence.type == SequenceType::kTuple || sequence.type == SequenceType::kGroup;
  if (sequence.type == SequenceType::kRange) return append_range(out, sequence);
  if (tuple) {
    out += '(';
    append_items(heap, out, sequence);
    out += sequence.items.size() == 1 ? ",)" : ")";
    return;
  }
  const bool view = sequence.type != SequenceType::kList;
  if (view) out += str(type_name(TemplateValue::sequence(&sequence)), '(');
  out += '[';
  append_items(heap, out, sequence);
  out += view ? "])" : "]";
}

void append_dict(TemplateHeap& heap, std::string& out, const TemplateDict& dict) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) out += ", ";
    first = false;
    append_repr(heap, out, key);
    out += ": ";
    append_repr(heap, out, value);
  }
  out += '}';
}

void append_real(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "nan";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-inf" : "inf";
  } else {
    append_json_number(out, value);
  }
}

std::string_view name_of_sequence(SequenceType type) {
  switch (type) {
    case SequenceType::kList: return "list";
    case SequenceType::kTuple:
    case SequenceType::kGroup: return "tuple";
    case SequenceType::kRange: return "range";
    case SequenceType::kKeys: return "dict_keys";
    case SequenceType::kValues: return "dict_values";
    case SequenceType::kItems: return "dict_items";
  }
  return "list";
}

bool sequences_equal(TemplateHeap& heap, const TemplateSequence& left,
                     const TemplateSequence& right) {
  if (left.items.size() != right.items.size()) return false;
  for (size_t i = 0; i < left.items.size(); ++i) {
    if (!is_equal(heap, left.items[i], right.items[i])) return false;
  }
  return true;
}

bool dicts_equal(TemplateHeap& heap, const TemplateDict& left, const TemplateDict& right) {
  if (left.size() != right.size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const TemplateValue* other = right.find(heap, key);
    if (other == nullptr || !is_equal(heap, value, *other)) return false;
  }
  return true;
}

}  // namespace

TemplateValue TemplateValue::boolean(bool value) {
  TemplateValue result(TemplateKind::kBool);
  result.integer_ = value ? 1 : 0;
  return result;
}

TemplateValue TemplateValue::integer(int64_t value) {
  TemplateValue result(TemplateKind::kInt);
  result.integer_ = value;
  return result;
}

TemplateValue TemplateValue::real(double value) {
  TemplateValue result(TemplateKind::kFloat);
  result.real_ = value;
  return result;
}

TemplateValue TemplateValue::text(std::string_view value) {
  TemplateValue result(TemplateKind::kText);
  result.text_ = value.data();
  result.size_ = static_cast<uint32_t>(value.size());
  return result;
}

TemplateValue TemplateValue::sequence(const TemplateSequence* value) {
  TemplateValue result(TemplateKind::kSequence);
  result.sequence_ = value;
  return result;
}

TemplateValue TemplateValue::dict(const TemplateDict* value) {
  TemplateValue result(TemplateKind::kDict);
  result.dict_ = value;
  return result;
}

TemplateValue TemplateValue::object(TemplateObject* value) {
  TemplateValue result(TemplateKind::kObject);
  result.object_ = value;
  return result;
}

TemplateValue TemplateValue::undefined_name(std::string_view name) {
  TemplateValue result = text(name);
  result.kind_ = TemplateKind::kUndefined;
  return result;
}

TemplateValue TemplateValue::undefined_because(std::string_view reason) {
  TemplateValue result = undefined_name(reason);
  result.flag_ = true;
  return result;
}

TemplateValue TemplateValue::marked_safe() const {
  TemplateValue result = *this;
  result.flag_ = true;
  return result;
}

double TemplateValue::number() const {
  return kind_ == TemplateKind::kFloat ? real_ : static_cast<double>(integer_);
}

std::string TemplateValue::undefined_reason() const {
  if (flag_) return std::string(as_text());
  return size_ == 0 ? "the value is undefined" : str("'", as_text(), "' is undefined");
}

const TemplateValue* TemplateDict::find(TemplateHeap& heap, const TemplateValue& key) const {
  const size_t slot = slot_of(heap, key);
  const size_t entry = slots_.empty() ? slot : size_t{slots_[slot]} - 1;
  return entry < entries_.size() ? &entries_[entry].second : nullptr;
}

const TemplateValue* TemplateDict::find(TemplateHeap& heap, std::string_view key) const {
  return find(heap, TemplateValue::text(key));
}

size_t TemplateDict::slot_of(TemplateHeap& heap, const TemplateValue& key) const {
  const uint64_t hash = hash_of(heap, key);
  if (slots_.empty()) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (is_equal(heap, entries_[i].first, key)) return i;
    }
    return entries_.size();
  }
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0 && !is_equal(heap, entries_[slots_[slot] - 1].first, key)) {
    heap.spend(1);
    slot = (slot + 1) & mask;
  }
  return slot;
}

void TemplateDict::rebuild_slots(TemplateHeap& heap, size_t num_slots) {
  slots_.assign(num_slots, 0);
  for (size_t i = 0; i < entries_.size(); ++i) {
    slots_[slot_of(heap, entries_[i].first)] = static_cast<uint32_t>(i + 1);
  }
}

void TemplateDict::set(TemplateHeap& heap, const TemplateValue& key, const TemplateValue& value) {
  heap.spend(1);
  const size_t slot = slot_of(heap, key);
  const size_t entry = slots_.empty() ? slot : size_t{slots_[slot]} - 1;
  if (entry < entries_.size()) {
    entries_[entry].second = value;
    return;
  }
  entries_.emplace_back(key, value);
  if (slots_.empty() && entries_.size() <= kLinearEntries) return;
  if (entries_.size() * 2 > slots_.size()) {
    rebuild_slots(heap, std::bit_ceil(entries_.size() * 4));
  } else {
    slots_[slot] = static_cast<uint32_t>(entries_.size());
  }
}

TemplateValue TemplateObject::call(TemplateHeap& heap, const TemplateArguments& /*arguments*/) {
  heap.fail(str("'", type_name(), "' object is not callable"));
}

std::optional<TemplateValue> TemplateObject::attribute(TemplateHeap& /*heap*/,
                                                       std::string_view /*name*/) {
  return std::nullopt;
}

std::string TemplateObject::repr(TemplateHeap& /*heap*/) {
  return str("<", type_name(), " object>");
}

TemplateValue TemplateFunction::call(TemplateHeap& heap, const TemplateArguments& arguments) {
  return native_(heap, self_, arguments);
}

std::string TemplateFunction::repr(TemplateHeap& /*heap*/) {
  return str("<function ", name_, ">");
}

TemplateValue make_text(TemplateHeap& heap, std::string_view text) {
  return TemplateValue::text(heap.keep(text));
}

TemplateValue make_sequence(TemplateHeap& heap, SequenceType type, TemplateValues items) {
  auto* sequence = heap.make<TemplateSequence>(heap, type);
  sequence->items = std::move(items);
  return TemplateValue::sequence(sequence);
}

TemplateValue make_list(TemplateHeap& heap, TemplateValues items) {
  return make_sequence(heap, SequenceType::kList, std::move(items));
}

TemplateValue make_tuple(TemplateHeap& heap, std::initializer_list<TemplateValue> items) {
  return make_sequence(heap, SequenceType::kTuple, TemplateValues(items, heap.memory()));
}

TemplateValue make_iterator(TemplateHeap& heap, TemplateValues items, std::string_view type_name) {
  auto* iterator = heap.make<TemplateIterator>(heap, type_name);
  iterator->items = std::move(items);
  return TemplateValue::object(iterator);
}

std::string_view type_name(const TemplateValue& value) {
  switch (value.kind()) {
    case TemplateKind::kUndefined: return "Undefined";
    case TemplateKind::kNone: return "NoneType";
    case TemplateKind::kBool: return "bool";
    case TemplateKind::kInt: return "int";
    case TemplateKind::kFloat: return "float";
    case TemplateKind::kText: return "str";
    case TemplateKind::kSequence: return name_of_sequence(value.as_sequence().type);
    case TemplateKind::kDict: return "dict";
    case TemplateKind::kObject: return value.as_object().type_name();
  }
  return "object";
}

bool is_true(const TemplateValue& value) {
  switch (value.kind()) {
    case TemplateKind::kUndefined:
    case TemplateKind::kNone: return false;
    case TemplateKind::kBool:
    case TemplateKind::kInt: return value.as_integer() != 0;
    case TemplateKind::kFloat: return value.as_real() != 0;
    case TemplateKind::kText: return !value.as_text().empty();
    case TemplateKind::kSequence: return !value.as_sequence().items.empty();
    case TemplateKind::kDict: return value.as_dict().size() != 0;
    case TemplateKind::kObject: return true;
  }
  return true;
}

bool is_list_or_tuple(const TemplateValue& value) {
  if (!value.is(TemplateKind::kSequence)) return false;
  const SequenceType type = value.as_sequence().type;
  return type == SequenceType::kList || type == SequenceType::kTuple ||
         type == SequenceType::kGroup;
}

std::optional<size_t> length_of(const TemplateValue& value) {
  switch (value.kind()) {
    case TemplateKind::kUndefined: return 0;
    case TemplateKind::kText: return num_code_points(value.as_text());
    case TemplateKind::kSequence: return value.as_sequence().items.size();
    case TemplateKind::kDict: return value.as_dict().size();
    default: return std::nullopt;
  }
}

void append_repr(TemplateHeap& heap, std::string& out, const TemplateValue& value) {
  const TemplateHeap::Level level(heap);
  const size_t before = out.size();
  switch (value.kind()) {
    case TemplateKind::kUndefined: out += "Undefined"; break;
    case TemplateKind::kNone: out += "None"; break;
    case TemplateKind::kBool: out += value.as_bool() ? "True" : "False"; break;
    case TemplateKind::kInt: out += std::to_string(value.as_integer()); break;
    case TemplateKind::kFloat: append_real(out, value.as_real()); break;
    case TemplateKind::kText:
      heap.spend_letters(value.as_text().size());
      append_python_quoted(out, value.as_text());
      break;
    case TemplateKind::kSequence: append_sequence(heap, out, value.as_sequence()); break;
    case TemplateKind::kDict: append_dict(heap, out, value.as_dict()); break;
    case TemplateKind::kObject: out += value.as_object().repr(heap); break;
  }
  heap.spend_bytes(out.size() - before);
  heap.check_text_size(out.size());
}

std::string repr_of(TemplateHeap& heap, const TemplateValue& value) {
  std::string out;
  append_repr(heap, out, value);
  return out;
}

std::string str_of(TemplateHeap& heap, const TemplateValue& value) {
  if (value.is_text()) {
    heap.spend_bytes(value.as_text().size());
    return std::string(value.as_text());
  }
  if (value.is_undefined()) return {};
  return repr_of(heap, value);
}

std::string_view text_of(TemplateHeap& heap, const TemplateValue& value) {
  if (value.is_text()) return value.as_text();
  if (value.is_undefined()) return {};
  return heap.keep(repr_of(heap, value));
}

uint64_t hash_of(TemplateHeap& heap, const TemplateValue& value) {
  const TemplateHeap::Level level(heap);
  switch (value.kind()) {
    case TemplateKind::kUndefined: return 3;
    case TemplateKind::kNone: return 4;
    case TemplateKind::kBool:
    case TemplateKind::kInt: return mix(1, static_cast<uint64_t>(value.as_integer()));
    case TemplateKind::kFloat: return hash_of_real(value.as_real());
    case TemplateKind::kText:
      heap.spend_bytes(value.as_text().size());
      return std::hash<std::string_view>{}(value.as_text());
    case TemplateKind::kObject: return mix(5, std::bit_cast<uintptr_t>(value.address()));
    default: break;
  }
  if (type_name(value) != "tuple") {
    heap.fail(str("unhashable type: '", type_name(value), "'"));
  }
  uint64_t hash = 6;
  for (const TemplateValue& item : value.as_sequence().items) {
    heap.spend(1);
    hash = mix(hash, hash_of(heap, item));
  }
  return hash;
}

bool is_equal(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right) {
  const TemplateHeap::Level level(heap);
  heap.spend(1);
  if (left.is_integral() && right.is_integral()) return left.as_integer() == right.as_integer();
  if (left.is_number() && right.is_number()) return left.number() == right.number();
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case TemplateKind::kText:
      if (left.as_text().size() != right.as_text().size()) return false;
      heap.spend_bytes(left.as_text().size());
      return left.as_text() == right.as_text();
    case TemplateKind::kDict: return dicts_equal(heap, left.as_dict(), right.as_dict());
    case TemplateKind::kSequence:
      return type_name(left) == type_name(right) &&
             sequences_equal(heap, left.as_sequence(), right.as_sequence());
    case TemplateKind::kObject: return left.address() == right.address();
    default: return true;
  }
}

TemplateValues items_of(TemplateHeap& heap, const TemplateValue& value) {
  TemplateValues items(heap.memory());
  if (value.is(TemplateKind::kSequence)) {
    heap.spend_items(value.as_sequence().items.size());
    items = value.as_sequence().items;
  } else if (value.is(TemplateKind::kDict)) {
    heap.spend_items(value.as_dict().size());
    for (const auto& entry : value.as_dict().entries()) items.push_back(entry.first);
  } else if (value.is_text()) {
    const std::string_view text = value.as_text();
    heap.spend_letters(text.size());
    for (size_t i = 0; i < text.size();) {
      const size_t begin = i;
      next_code_point(text, i);
      items.push_back(TemplateValue::text(text.substr(begin, i - begin)));
    }
  } else if (TemplateValues* remaining =
                 value.is(TemplateKind::kObject) ? value.as_object().remaining_items() : nullptr) {
    items.swap(*remaining);
  } else if (!value.is_undefined()) {
    heap.fail(str("'", type_name(value), "' object is not iterable"));
  }
  return items;
}

void require_defined(const TemplateHeap& heap, const TemplateValue& value) {
  if (value.is_undefined()) heap.fail(value.undefined_reason());
}

std::string html_of(TemplateHeap& heap, std::string_view text) {
  constexpr size_t kMostAdded = 4;  // a quote becomes five bytes
  heap.spend_letters(text.size());
  const auto num_special = static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return std::string_view("&<>'\"").find(c) != std::string_view::npos;
  }));
  heap.check_text_size(text.size() + kMostAdded * num_special);
  heap.spend_bytes(kMostAdded * num_special);
  return html_escaped(text);
}

TemplateValue escaped(TemplateHeap& heap, const TemplateValue& value) {
  if (value.is_safe_text()) return value;
  const std::string_view text = text_of(heap, value);
  heap.spend_letters(text.size());
  const bool plain = text.find_first_of("&<>'\"") == std::string_view::npos;
  return (plain ? TemplateValue::text(text) : make_text(heap, html_of(heap, text))).marked_safe();
}

TemplateValue as_safe_as(const TemplateValue& source, const TemplateValue& text) {
  return source.is_safe_text() ? text.marked_safe() : text;
}

}  // namespace pagoda
