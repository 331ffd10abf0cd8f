#include "text/tokenizer/post_process.h"

#include <string_view>

#include "base/str.h"

namespace pagoda {
namespace {

TokenId id_of(const JsonReader& value) {
  const auto id = value.if_integer();
  if (!id || *id < 0 || *id > INT32_MAX) value.refuse("has a token id that is none");
  return TokenId(static_cast<int32_t>(*id));
}

// {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
//  "special_tokens": {"<s>": {"ids": [1]}}}
Surroundings of_template(const JsonReader& section) {
  Surroundings around;
  int num_texts = 0;
  for (const JsonReader& part : section.at("single").items()) {
    if (part.find("Sequence")) {
      ++num_texts;
      continue;
    }
    const std::string_view name = part.at("SpecialToken").text("id");
    std::vector<TokenId>& ids = num_texts == 0 ? around.before : around.after;
    const JsonReader token = section.at("special_tokens").at(name);
    for (const JsonReader& id : token.at("ids").items()) ids.push_back(id_of(id));
  }
  if (num_texts != 1) section.at("single").refuse("does not hold the text exactly once");
  return around;
}

// {"sep": ["</s>", 2], "cls": ["<s>", 0]}
Surroundings of_bert(const JsonReader& section) {
  const auto id = [&](std::string_view key) {
    const std::vector<JsonReader> pair = section.at(key).items();
    if (pair.size() != 2) section.at(key).refuse("is not a token and its id");
    return id_of(pair[1]);
  };
  return {{id("cls")}, {id("sep")}};
}

}  // namespace

Surroundings surroundings_of(const JsonReader& section) {  // NOLINT(misc-no-recursion)
  const std::string_view type = section.text("type");
  if (type == "ByteLevel") return {};  // it only moves offsets
  if (type == "TemplateProcessing") return of_template(section);
  if (type == "BertProcessing" || type == "RobertaProcessing") return of_bert(section);
  if (type == "Sequence") {
    Surroundings around;
    for (const JsonReader& step : section.at("processors").items()) {
      const Surroundings outer = surroundings_of(step);
      around.before.insert(around.before.begin(), outer.before.begin(), outer.before.end());
      around.after.insert(around.after.end(), outer.after.begin(), outer.after.end());
    }
    return around;
  }
  section.refuse(str("is of type ", type,
                     ", which is not supported; supported are Sequence, TemplateProcessing, "
                     "ByteLevel, BertProcessing and RobertaProcessing"));
}

}  // namespace pagoda
