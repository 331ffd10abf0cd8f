// The values of a template: Python's, as far as templates can see them.
//
// Thread rule: values belong to one rendering (TemplateHeap), on one thread.
// Invariant: text is valid UTF-8. Sequences and dicts do not change once made; what changes
// (namespaces, loops, iterators) is a TemplateObject.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/heap.h"

namespace pagoda {

class TemplateDict;
class TemplateObject;
class TemplateSequence;

enum class TemplateKind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kText,
  kSequence,
  kDict,
  kObject,
};

// 16 bytes, copied freely.
class TemplateValue {
 public:
  TemplateValue() = default;  // undefined, without a name

  static TemplateValue none() { return TemplateValue(TemplateKind::kNone); }
  static TemplateValue boolean(bool value);
  static TemplateValue integer(int64_t value);
  static TemplateValue real(double value);
  // The text must outlive the rendering: of the heap, the template or the input.
  static TemplateValue text(std::string_view value);
  static TemplateValue sequence(const TemplateSequence* value);
  static TemplateValue dict(const TemplateDict* value);
  static TemplateValue object(TemplateObject* value);
  // What an error says if this undefined value is used: "'name' is undefined", or a whole sentence.
  static TemplateValue undefined_name(std::string_view name);
  static TemplateValue undefined_because(std::string_view reason);
  // Text that the escape filter must leave alone (Markup).
  TemplateValue marked_safe() const;

  TemplateKind kind() const { return kind_; }
  bool is(TemplateKind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == TemplateKind::kUndefined; }
  bool is_none() const { return kind_ == TemplateKind::kNone; }
  bool is_text() const { return kind_ == TemplateKind::kText; }
  bool is_integral() const { return kind_ == TemplateKind::kInt || kind_ == TemplateKind::kBool; }
  bool is_number() const { return is_integral() || kind_ == TemplateKind::kFloat; }
  bool is_safe_text() const { return is_text() && flag_; }

  // Each is valid for its kind only.
  bool as_bool() const { return integer_ != 0; }
  int64_t as_integer() const { return integer_; }  // also of a bool
  double as_real() const { return real_; }
  std::string_view as_text() const { return {text_, size_}; }
  const TemplateSequence& as_sequence() const { return *sequence_; }
  const TemplateDict& as_dict() const { return *dict_; }
  TemplateObject& as_object() const { return *object_; }
  const void* address() const { return object_; }

  double number() const;  // of any number
  std::string undefined_reason() const;

 private:
  explicit TemplateValue(TemplateKind kind) : kind_(kind) {}

  TemplateKind kind_ = TemplateKind::kUndefined;
  bool flag_ = false;  // text: safe; undefined: the text is a sentence, not a name
  uint32_t size_ = 0;
  union {
    int64_t integer_ = 0;
    double real_;
    const char* text_;
    const TemplateSequence* sequence_;
    const TemplateDict* dict_;
    TemplateObject* object_;
  };
};

using TemplateValues = std::pmr::vector<TemplateValue>;

enum class SequenceType : uint8_t { kList, kTuple, kGroup, kRange, kKeys, kValues, kItems };

class TemplateSequence {
 public:
  TemplateSequence(TemplateHeap& heap, SequenceType sequence_type)
      : type(sequence_type), items(heap.memory()) {}

  SequenceType type;
  TemplateValues items;
  int64_t range[3] = {0, 0, 1};  // start, stop, step of a kRange, to print it
};

// Keeps the order of insertion.
class TemplateDict {
 public:
  explicit TemplateDict(TemplateHeap& heap) : entries_(heap.memory()), slots_(heap.memory()) {}

  using Entry = std::pair<TemplateValue, TemplateValue>;
  std::span<const Entry> entries() const { return entries_; }
  size_t size() const { return entries_.size(); }

  const TemplateValue* find(TemplateHeap& heap, const TemplateValue& key) const;
  const TemplateValue* find(TemplateHeap& heap, std::string_view key) const;
  // Only while the dict is being made. Fails if the key cannot be hashed (a list, a dict).
  void set(TemplateHeap& heap, const TemplateValue& key, const TemplateValue& value);

 private:
  // Index of the entry, or of the free slot for it. Up to kLinearEntries entries need no slots.
  size_t slot_of(TemplateHeap& heap, const TemplateValue& key) const;
  void rebuild_slots(TemplateHeap& heap, size_t num_slots);

  std::pmr::vector<Entry> entries_;
  std::pmr::vector<uint32_t> slots_;  // entry + 1, or 0; a power of two of them
};

struct NamedTemplateValue {
  std::string_view name;
  TemplateValue value;
};

struct TemplateArguments {
  std::span<const TemplateValue> positional;
  std::span<const NamedTemplateValue> named;
};

// A filter, a test, a method or a function: `self` is the value before the bar, the value that is
// tested, the object of the method, or undefined.
using TemplateNative = TemplateValue (*)(TemplateHeap& heap, const TemplateValue& self,
                                         const TemplateArguments& arguments);

// What has state or can be called: namespaces, loops, macros, iterators, bound methods ...
class TemplateObject {
 public:
  virtual std::string_view type_name() const = 0;  // as type(x).__name__
  virtual bool is_callable() const { return false; }
  virtual TemplateValue call(TemplateHeap& heap, const TemplateArguments& arguments);
  virtual std::optional<TemplateValue> attribute(TemplateHeap& heap, std::string_view name);
  // nullptr: cannot be iterated.
  virtual TemplateValues* remaining_items() { return nullptr; }
  virtual std::string repr(TemplateHeap& heap);

 protected:
  ~TemplateObject() = default;
};

// The result of map, select, items ...: can be walked through once, is true, has no length.
class TemplateIterator final : public TemplateObject {
 public:
  TemplateIterator(TemplateHeap& heap, std::string_view type_name)
      : items(heap.memory()), type_name_(type_name) {}
  std::string_view type_name() const override { return type_name_; }
  TemplateValues* remaining_items() override { return &items; }

  TemplateValues items;

 private:
  std::string_view type_name_;
};

// A function or bound method that is written in C++.
class TemplateFunction final : public TemplateObject {
 public:
  TemplateFunction(std::string_view name, TemplateNative native, TemplateValue self)
      : name_(name), native_(native), self_(self) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  bool is_callable() const override { return true; }
  TemplateValue call(TemplateHeap& heap, const TemplateArguments& arguments) override;
  std::string repr(TemplateHeap& heap) override;

 private:
  std::string_view name_;
  TemplateNative native_;
  TemplateValue self_;
};

// Made in a heap.
TemplateValue make_text(TemplateHeap& heap, std::string_view text);
TemplateValue make_list(TemplateHeap& heap, TemplateValues items);
TemplateValue make_tuple(TemplateHeap& heap, std::initializer_list<TemplateValue> items);
TemplateValue make_sequence(TemplateHeap& heap, SequenceType type, TemplateValues items);
TemplateValue make_iterator(TemplateHeap& heap, TemplateValues items, std::string_view type_name);

// Python's built-in functions.
std::string_view type_name(const TemplateValue& value);
bool is_true(const TemplateValue& value);
bool is_list_or_tuple(const TemplateValue& value);
std::optional<size_t> length_of(const TemplateValue& value);
std::string str_of(TemplateHeap& heap, const TemplateValue& value);
// str_of without a copy where the value is text already.
std::string_view text_of(TemplateHeap& heap, const TemplateValue& value);
void append_repr(TemplateHeap& heap, std::string& out, const TemplateValue& value);
std::string repr_of(TemplateHeap& heap, const TemplateValue& value);
uint64_t hash_of(TemplateHeap& heap, const TemplateValue& value);
bool is_equal(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right);
// Fails for what cannot be iterated; takes the items out of an iterator.
TemplateValues items_of(TemplateHeap& heap, const TemplateValue& value);
// Fails with Python's words for an undefined value that is used.
void require_defined(const TemplateHeap& heap, const TemplateValue& value);

// & < > ' " as HTML entities.
std::string html_of(TemplateHeap& heap, std::string_view text);
// Safe text as it is; anything else as text with its HTML escaped, which makes it safe.
TemplateValue escaped(TemplateHeap& heap, const TemplateValue& value);
// `text`, marked safe if `source` is: most of what is made of safe text is safe.
TemplateValue as_safe_as(const TemplateValue& source, const TemplateValue& text);

}  // namespace pagoda
