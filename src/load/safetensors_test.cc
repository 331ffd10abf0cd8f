#include "load/safetensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "load/checkpoint.h"
#include "load/test_files.h"

namespace pagoda {
namespace {

std::vector<SafetensorsEntry> parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "f.safetensors");
}

std::string error_of(const std::string& file) {
  return message_of<Error>([&] { parse(file); });
}

// The error of a file with this header and `data` bytes of data.
std::string error_of(std::string_view header, size_t data) {
  return error_of(safetensors_file(header, std::string(data, 'x')));
}

std::string correct_file() {
  return safetensors_file({{"a", "F32", {2, 3}, std::string(24, 'a')},
                           {"b", "BF16", {4}, std::string(8, 'b')},
                           {"none", "F16", {0, 5}, ""},
                           {"scalar", "I64", {}, std::string(8, 'c')}});
}

// One to four bytes or pieces of it changed.
std::string damaged(std::string file, std::mt19937& random) {
  constexpr std::string_view kInteresting = "{}[]\",:0129-.eE\\u\xFF \n";
  for (uint32_t left = 1 + random() % 4; left > 0 && !file.empty(); --left) {
    const size_t at = random() % file.size();
    switch (random() % 4) {
      case 0: file[at] = static_cast<char>(random()); break;
      case 1: file[at] = kInteresting[random() % kInteresting.size()]; break;
      case 2: file.erase(at, random() % 8); break;
      default: file.insert(at, file.substr(random() % file.size(), random() % 8)); break;
    }
  }
  return file;
}

enum class Verdict { kRefused, kAccepted, kWrong };

Verdict verdict_on(const std::string& file) {
  try {
    const auto entries = parse(file);
    const bool are_inside = std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.offset <= file.size() && entry.bytes <= file.size() - entry.offset;
    });
    return are_inside ? Verdict::kAccepted : Verdict::kWrong;
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kCheckpoint ? Verdict::kRefused : Verdict::kWrong;
  }
}

}  // namespace

TEST_CASE("tensors are found where the header says, in the order of their data") {
  const std::string file = safetensors_file(
      R"({"__metadata__":{"format":"pt","deep":{"a":[1,null,true]}},)"
      R"("b":{"shape":[4],"data_offsets":[8,16],"dtype":"BF16","other":{"x":[1]}},)"
      R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}} )",
      "12345678abcdefgh");
  const auto entries = parse(file);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].name == "a");
  CHECK(entries[0].shape == std::vector<int64_t>{1, 2});
  CHECK(entries[0].encoding() == Encoding::kF32);
  CHECK(entries[1].name == "b");
  CHECK(file.substr(entries[1].offset, entries[1].bytes) == "abcdefgh");
}

TEST_CASE("scalars and tensors without elements are tensors too") {
  const auto entries = parse(correct_file());
  REQUIRE(entries.size() == 4);
  CHECK(entries[2].bytes == 0);
  CHECK(entries[3].shape.empty());
  CHECK_FALSE(entries[3].encoding().has_value());
  CHECK(parse(safetensors_file("{}", "")).empty());
}

TEST_CASE("a file that is too short, or whose header is too long, says so") {
  CHECK(error_of("") ==
        "f.safetensors: is 0 bytes, expected a safetensors file of at least 8; get the file again");
  CHECK(error_of(std::string("\x40\0\0\0\0\0\0\0{}", 10)) ==
        "f.safetensors: claims a header of 64 bytes, but the file has 10 bytes: it is cut short or "
        "damaged; get the file again");
  CHECK(error_of("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}") ==
        "f.safetensors: claims a header of 18446744073709551615 bytes, expected at most 100000000: "
        "it is no safetensors file or is damaged; get the file again");
  CHECK(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n") ==
        "f.safetensors: is a Git LFS pointer, not the weights; run `git lfs pull` in its folder");
}

TEST_CASE("a header that is no JSON object of tensors says where") {
  CHECK(error_of(R"({"a":)", 0).starts_with("f.safetensors: its header is not valid JSON: "));
  CHECK(error_of("{} x", 0).starts_with("f.safetensors: its header is not valid JSON: "));
  CHECK(error_of("{\"\xFF\":1}", 0).starts_with("f.safetensors: its header is not valid JSON: "));
  CHECK(error_of(std::string(100000, '['), 0).starts_with("f.safetensors: its header is a list"));
  CHECK(error_of(R"({"__metadata__":)" + std::string(100000, '['), 0)
            .starts_with("f.safetensors: its header is not valid JSON: "));
  CHECK(error_of("7", 0) ==
        "f.safetensors: its header is 7, expected a JSON object; get the file again");
  CHECK(error_of(R"({"a":[1]})", 0) ==
        R"(f.safetensors: a: is a list in the header, expected {"dtype", "shape", "data_offsets"})"
        "; get the file again");
  CHECK(error_of(R"({"a":{}})", 0) ==
        "f.safetensors: a: lacks dtype in the header; get the file again");
}

TEST_CASE("names that come twice are told") {
  CHECK(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                 R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                 2) ==
        "f.safetensors: a: is named twice in the header, expected once; get the file again");
  CHECK(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"shape":[1]}})", 1) ==
        "f.safetensors: a: has shape twice, expected once; get the file again");
}

TEST_CASE("values of the wrong type or range are told") {
  CHECK(error_of(R"({"a":{"dtype":7}})", 0) ==
        "f.safetensors: a: dtype holds 7, expected a string; get the file again");
  for (const std::string_view wrong :
       {"-1", "1.5", "1e3", "18446744073709551616", "\"1\"", "null", "true", "[1]", "{}"}) {
    CAPTURE(wrong);
    CHECK(error_of(str(R"({"a":{"dtype":"U8","shape":[)", wrong, R"(],"data_offsets":[0,1]}})"), 1)
              .starts_with("f.safetensors: a: shape holds "));
  }
  CHECK(error_of(R"({"a":{"dtype":"F9","shape":[1],"data_offsets":[0,1]}})", 1)
            .starts_with("f.safetensors: a: has dtype \"F9\", expected one of F32, F16, BF16, "));
  CHECK(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1) ==
        "f.safetensors: a: data_offsets are not [begin, end] with begin <= end; get the file "
        "again");
  CHECK(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1)
            .starts_with("f.safetensors: a: data_offsets are not"));
}

TEST_CASE("sizes that do not agree are told, whatever overflows") {
  CHECK(error_of(R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}})", 20) ==
        "f.safetensors: a: has 20 bytes in the file, 24 by its shape [2, 3] of F32; get the file "
        "again");
  const std::string huge =
      "f.safetensors: a: has 1 bytes in the file, an impossible number by its "
      "shape of ";
  for (const std::string_view shape :
       {"9223372036854775807,9223372036854775807", "4294967296,4294967296", "18446744073709551615",
        "2305843009213693953", "3,6148914691236517206"}) {
    CAPTURE(shape);
    CHECK(error_of(str(R"({"a":{"dtype":"F64","shape":[)", shape, R"(],"data_offsets":[0,1]}})"), 1)
              .starts_with(huge));
  }
  CHECK(error_of(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1).starts_with(huge));
}

TEST_CASE("a truncated, overlong, overlapping or gaping file is told") {
  const std::string two = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                          R"("b":{"dtype":"U8","shape":[2],"data_offsets":[)";
  CHECK(error_of(two + "2,4]}}", 3) ==
        "f.safetensors: b: ends at byte 4 of the data, but the file holds 3: it is cut short or "
        "its header lies; get the file again");
  CHECK(error_of(two + "2,4]}}", 5) ==
        "f.safetensors: holds 5 bytes of data, its header describes 4; get the file again");
  CHECK(error_of(two + "1,3]}}", 3) ==
        "f.safetensors: b: begins at byte 1 of the data, inside a, which ends at 2; get the file "
        "again");
  CHECK(error_of(two + "3,5]}}", 5) ==
        "f.safetensors: b: begins at byte 3 of the data, expected 2: no tensor covers the bytes "
        "between; get the file again");
}

TEST_CASE("a message stays one line whatever the name") {
  CHECK(printable_name("a\nb\x01") == "a?b?");
  CHECK(printable_name(std::string(300, 'n')) == std::string(200, 'n') + "...");
  CHECK(printable_name("\xFF") == "\xEF\xBF\xBD");
}

TEST_CASE("every truncation of a file is an error, never more") {
  const std::string file = correct_file();
  for (size_t size = 0; size < file.size(); ++size) {
    // A copy of exactly this size: the sanitizer sees any read beyond it.
    const std::vector<char> cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
    const auto parse_cut = [&] { parse_safetensors(std::as_bytes(std::span(cut)), "f"); };
    CHECK(message_of<Error>(parse_cut) != "no error");
  }
}

TEST_CASE("random damage gives an error or tensors that lie inside the file") {
  std::mt19937 random(7);  // NOLINT(bugprone-random-generator-seed): the same damage every time
  const std::string original = correct_file();
  int wrong = 0, accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    const Verdict verdict = verdict_on(damaged(original, random));
    wrong += verdict == Verdict::kWrong ? 1 : 0;
    accepted += verdict == Verdict::kAccepted ? 1 : 0;
  }
  CHECK(wrong == 0);
  CHECK(accepted > 0);  // damage of data or of names is not seen
}

}  // namespace pagoda
