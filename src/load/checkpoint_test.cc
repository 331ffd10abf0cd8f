#include "load/checkpoint.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "load/test_files.h"

namespace pagoda {
namespace {

std::string file_of(const std::vector<std::string>& names) {
  std::vector<TestTensor> tensors;
  tensors.reserve(names.size());
  for (const std::string& name : names) tensors.push_back({name, "BF16", {2}, "wxyz"});
  return safetensors_file(tensors);
}

std::string error_of(const TemporaryFolder& folder) {
  return message_of<Error>([&] { open_checkpoint(folder.path()); });
}

std::string index_of(std::string_view weight_map) {
  return str(R"({"metadata":{},"weight_map":)", weight_map, "}");
}

constexpr const char* kIndex = "model.safetensors.index.json";

}  // namespace

TEST_CASE("without an index, all safetensors files of the folder are the model") {
  const TemporaryFolder folder;
  folder.write("b.safetensors", file_of({"b"}));
  folder.write("a.safetensors", file_of({"a", "c"}));
  folder.write("consolidated.safetensors", file_of({"a"}));  // Mistral's second copy
  folder.write("pytorch_model.bin", "x");
  const auto source = open_checkpoint(folder.path());
  CHECK(source->names() == std::vector<std::string>{"a", "b", "c"});
  CHECK(source->total_bytes() == 12);
  CHECK(source->description() == "2 safetensors files, 0.00 GB");
  CHECK(source->first_encoding() == Encoding::kBF16);
  CHECK(source->has("a"));
  CHECK_FALSE(source->has("d"));
}

TEST_CASE("with an index, only its files are read") {
  const TemporaryFolder folder;
  folder.write("a.safetensors", file_of({"a", "twice"}));
  folder.write("b.safetensors", file_of({"b", "twice"}));
  folder.write("old.safetensors", file_of({"a"}));
  folder.write(kIndex,
               index_of(R"({"a":"a.safetensors","b":"b.safetensors","twice":"b.safetensors"})"));
  CHECK(open_checkpoint(folder.path())->names() == std::vector<std::string>{"a", "b", "twice"});
}

TEST_CASE("a tensor in two files of a folder without an index is refused") {
  const TemporaryFolder folder;
  folder.write("x.safetensors", file_of({"a"}));
  folder.write("y.safetensors", file_of({"a"}));
  CHECK(error_of(folder) ==
        str("a: is in both ", (folder.path() / "x.safetensors").string(), " and ",
            (folder.path() / "y.safetensors").string(),
            ", expected once; remove the file that does not belong to the model"));
}

TEST_CASE("an index that names a missing file or tensor is told") {
  const TemporaryFolder folder;
  const std::string index = (folder.path() / kIndex).string();
  folder.write("a.safetensors", file_of({"a"}));
  folder.write(kIndex, index_of(R"({"a":"a.safetensors","b":"b.safetensors"})"));
  CHECK(error_of(folder) == index +
                                ": names 2 files, of which b.safetensors is missing; download "
                                "the model again");
  folder.write(kIndex, index_of(R"({"a":"a.safetensors","b":"a.safetensors"})"));
  CHECK(error_of(folder) ==
        index + ": b: expected in a.safetensors, which does not hold it; get both files again");
}

TEST_CASE("an index cannot reach out of its folder") {
  const TemporaryFolder folder;
  const std::string index = (folder.path() / kIndex).string();
  for (const std::string_view file :
       {"\"../a.safetensors\"", "\"/etc/passwd\"", "\"..\"", "\"\"", "\"x/a.safetensors\""}) {
    folder.write(kIndex, index_of(str(R"({"a":)", file, "}")));
    CHECK(error_of(folder) == str(index, ": weight_map: a is ", file,
                                  ", expected the name of a file beside it; get the file again"));
  }
  folder.write(kIndex, index_of(R"({"a":7})"));
  CHECK(error_of(folder) == index + ": weight_map: a is 7, expected a string; get the file again");
  folder.write(kIndex, "{}");
  CHECK(error_of(folder) == index +
                                ": weight_map is missing, expected an object of tensor and file "
                                "names; get the file again");
}

TEST_CASE("a folder without safetensors says what it has instead") {
  const TemporaryFolder folder;
  const std::string start = folder.path().string() +
                            ": holds no *.safetensors, which the weights "
                            "are read from";
  CHECK(error_of(folder) == start + "; download the model again, or use --load-format dummy");
  folder.write("model.gguf", "x");
  CHECK(error_of(folder) == start +
                                "; found model.gguf, convert them or get the model as "
                                "safetensors");
  const std::string missing = message_of<Error>([] { open_checkpoint("/nowhere"); });
  CHECK(missing == "/nowhere: cannot be read: No such file or directory");
}

TEST_CASE("an empty file is told, not mapped") {
  const TemporaryFolder folder;
  folder.write("a.safetensors", "");
  CHECK(error_of(folder) == (folder.path() / "a.safetensors").string() +
                                ": is 0 bytes, expected a safetensors file of at least 8; get the "
                                "file again");
}

}  // namespace pagoda
