#include "load/weights.h"

#include <doctest/doctest.h>

#include <atomic>

#include "load/checkpoint.h"
#include "load/test_device.h"
#include "load/test_files.h"
#include "load/weight_store.h"

namespace pagoda {
namespace {

// Element (row, column) is 100 row + column.
std::vector<float> grid(int64_t rows, int64_t columns) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) values.push_back(static_cast<float>(100 * r + c));
  }
  return values;
}

template <class Half>
std::string halves(const std::vector<float>& values) {
  std::vector<Half> out;
  out.reserve(values.size());
  for (const float value : values) out.push_back(from_float<Half>(value));
  return bytes_of_values(out);
}

class CountedProgress final : public LoadProgress {
 public:
  void add_bytes(int64_t bytes) override { total += bytes; }
  std::atomic<int64_t> total = 0;
};

// A checkpoint with these tensors, and a store of one rank.
struct Fixture {
  explicit Fixture(const std::vector<TestTensor>& tensors, int rank = 0, int ranks = 1) {
    folder.write("model.safetensors", safetensors_file(tensors));
    source = open_checkpoint(folder.path());
    store = std::make_unique<WeightStore>(*source, device,
                                          WeightStoreOptions{DType::kBF16, rank, ranks, &progress});
  }
  Weights root() { return store->root(); }

  TemporaryFolder folder;
  TestDevice device;
  CountedProgress progress;
  std::unique_ptr<WeightSource> source;
  std::unique_ptr<WeightStore> store;
};

TestTensor f32(const std::string& name, int64_t rows, int64_t columns) {
  return {name, "F32", {rows, columns}, bytes_of_values(grid(rows, columns))};
}

}  // namespace

TEST_CASE("a whole matrix is read from the map itself") {
  Fixture f({f32("a.weight", 7, 4)});
  auto tensor = f.source->open("a.weight", std::vector<int64_t>{7, 4}, Numbers::kFloats);
  std::vector<Band> bands;
  bands.push_back({{.format = {.values = Encoding::kF32}, .values = std::move(tensor)},
                   runs_of(whole_part(7), 7)});
  const BandReader reader(std::move(bands),
                          {.file_columns = 4, .columns = runs_of(whole_part(4), 4)}, nullptr);
  std::vector<std::byte> scratch, other;
  const Panel panel = reader.read(0, 2, 3, scratch), again = reader.read(0, 2, 3, other);
  CHECK(panel.values.data() == again.values.data());
  CHECK(panel.values.size() == 12 * sizeof(float));
}

TEST_CASE("floats of every format arrive as they were") {
  const std::vector<float> values = grid(5, 4);
  Fixture f({{"a.weight", "F32", {5, 4}, bytes_of_values(values)},
             {"b.weight", "F16", {5, 4}, halves<Float16>(values)},
             {"c.weight", "BF16", {2, 4}, halves<BFloat16>(grid(2, 4))}});
  const Part rows = whole_part(5), columns = whole_part(4);
  CHECK(values_of((f.root() / "a").matrix({5, 4}, rows, columns)) == values);
  CHECK(values_of((f.root() / "b").matrix({5, 4}, rows, columns)) == values);
  const Matrix& c = (f.root() / "c").matrix({2, 4}, whole_part(2), columns);
  CHECK(values_of(c) == grid(2, 4));
  CHECK(c.spec().format.values == Encoding::kBF16);
  CHECK(f.progress.total == f.source->total_bytes());
}

TEST_CASE("a rank gets its units in order, then zeros, along rows and columns") {
  Fixture f({f32("a.weight", 6, 5)}, /*rank=*/1, /*ranks=*/2);
  // Three heads of 2 rows over two ranks, five columns over two ranks: both padded on the last.
  const Matrix& a = (f.root() / "a").matrix({6, 5}, f.root().share(3, 2), f.root().share(5));
  CHECK(a.spec().out == 4);
  CHECK(a.spec().in == 3);
  CHECK(values_of(a) == std::vector<float>{403, 404, 0, 503, 504, 0, 0, 0, 0, 0, 0, 0});
  CHECK(f.progress.total == 2 * 2 * 4);
  CHECK(f.store->padding_bytes() == f.store->bytes() * 8 / 12);
}

TEST_CASE("units may stand in any order and repeat") {
  Fixture f({f32("a.weight", 4, 2)});
  const Part rows{.unit = 1, .units = {3, 0, 0}, .padded_units = 4};
  const Matrix& a = (f.root() / "a").matrix({4, 2}, rows, whole_part(2));
  CHECK(values_of(a) == std::vector<float>{300, 301, 0, 1, 0, 1, 0, 0});
}

TEST_CASE("bands are stacked along the rows, each by its part") {
  Fixture f({f32("q.weight", 4, 2), f32("k.weight", 2, 2), f32("v.weight", 2, 2)});
  const Weights w = f.root();
  const auto qkv =
      w.stacked({{"q", 4, {2, {1}, 1}}, {"k", 2, {1, {0}, 2}}, {"v", 2, whole_part(2)}}, 2);
  REQUIRE(qkv.size() == 1);
  CHECK(values_of(*qkv[0]) == std::vector<float>{200, 201, 300, 301, 0, 1, 0, 0, 0, 1, 100, 101});
}

TEST_CASE("bands may be rows of one tensor, each dealt by itself") {
  Fixture f({f32("gate_up.weight", 8, 2)}, /*rank=*/1, /*ranks=*/2);
  const Weights w = f.root();
  const auto m = w.stacked({{"gate_up", 8, w.share(4)}, {"gate_up", 8, behind(w.share(4), 4)}}, 2);
  REQUIRE(m.size() == 1);
  CHECK(values_of(*m[0]) == std::vector<float>{200, 201, 300, 301, 600, 601, 700, 701});
}

TEST_CASE("bands of different formats meet in float32") {
  Fixture f({f32("q.weight", 2, 2), {"k.weight", "BF16", {1, 2}, halves<BFloat16>({3, 4})}});
  const auto qk = f.root().stacked({{"q", 2, whole_part(2)}, {"k", 1, whole_part(1)}}, 2);
  REQUIRE(qk.size() == 1);
  CHECK(qk[0]->spec().format.values == Encoding::kF32);
  CHECK(values_of(*qk[0]) == std::vector<float>{0, 1, 100, 101, 3, 4});
  CHECK(f.progress.total == f.source->total_bytes());
}

TEST_CASE("the same name and parts give the same matrix, so a tied embedding is kept once") {
  Fixture f({f32("embed.weight", 6, 3)});
  const Weights embed = f.root() / "embed";
  const Matrix& table = embed.matrix({6, 3}, whole_part(6), whole_part(3));
  // The same share, written in other units.
  const Matrix& head = embed.matrix({6, 3}, embed.share(6), embed.whole(3));
  CHECK(&table == &head);
  CHECK(f.device.matrices_made == 1);
  CHECK(&embed.matrix({6, 3}, share_part(6, 1, 0, 2), whole_part(3)) != &table);
}

TEST_CASE("vectors and biases are float32, padded with zeros") {
  Fixture f({{"norm.weight", "BF16", {3}, halves<BFloat16>({1, 2, 3})},
             {"q.bias", "F16", {4}, halves<Float16>({1, 2, 3, 4})},
             {"k.bias", "F32", {2}, bytes_of_values<float>({5, 6})}});
  const Weights w = f.root();
  CHECK(values_of((w / "norm").vector(3)) == std::vector<float>{1, 2, 3});
  CHECK(values_of((w / "q").bias(4, {1, {3, 1}, 3})) == std::vector<float>{4, 2, 0});
  CHECK(values_of(w.stacked_bias({{"q", 4, {2, {1}, 2}}, {"k", 2, whole_part(2)}})) ==
        std::vector<float>{3, 4, 0, 0, 5, 6});
  const std::vector<float> table = grid(2, 2);
  CHECK(values_of(w.constant({2, 2}, table.data())) == table);
}

TEST_CASE("a tensor of another shape, another format or none is named with what was expected") {
  Fixture f({f32("model.layers.3.mlp.down_proj.weight", 2, 3),
             {"q.qweight", "I32", {1}, "1234"},
             {"i.weight", "I32", {1}, "1234"}});
  const std::string file = (f.folder.path() / "model.safetensors").string();
  const Weights w = f.root();
  const auto error_of = [](auto&& call) { return message_of<Error>(call); };
  const std::string of_shape = error_of([&] {
    (w / "model.layers.3.mlp" / "down_proj").matrix({2, 4}, whole_part(2), whole_part(4));
  });
  CHECK(of_shape ==
        "model.layers.3.mlp.down_proj.weight: is [2, 3] in the file, [2, 4] by config.json; "
        "take both from the same model (file " +
            file + ")");
  const std::string of_name = error_of([&] {
    (w / "q").matrix({2, 4}, whole_part(2), whole_part(4));
  });
  CHECK(of_name ==
        "q.weight: is not in the checkpoint, expected [2, 4] by config.json; there are q.qweight; "
        "take both from the same model (folder " +
            f.folder.path().string() + ", 1 safetensors file, 0.00 GB)");
  const std::string of_format = error_of([&] { (w / "i").vector(1); });
  CHECK(of_format ==
        "i.weight: is I32 in the file, expected F32, F16 or BF16; get the model in one of these "
        "(file " +
            file + ")");
}

TEST_CASE("matrices of one shape are stacked by their numbers, each in bands") {
  std::vector<TestTensor> tensors;
  for (int i = 0; i < 3; ++i) {
    tensors.push_back(f32(str("experts.", i, ".gate.weight"), 2, 3));
    tensors.push_back(f32(str("experts.", i, ".up.weight"), 1, 3));
  }
  tensors[2] = {"experts.1.gate.weight", "F32", {2, 3}, bytes_of_values<float>({1, 2, 3, 4, 5, 6})};
  Fixture f(tensors);
  const std::vector<int64_t> numbers = {1, 2};
  const Part columns{.unit = 1, .units = {0, 2}, .padded_units = 2};
  const Matrix& m =
      (f.root() / "experts")
          .numbered(numbers, {{"gate", 2, whole_part(2)}, {"up", 1, whole_part(1)}}, 3, columns);
  CHECK(m.spec().count == 2);
  CHECK(m.spec().out == 3);
  CHECK(values_of(m) == std::vector<float>{1, 3, 4, 6, 0, 2, 0, 2, 100, 102, 0, 2});
  CHECK(f.store->unused().size() == 2);  // those of expert 0
  CHECK(f.progress.total == 2 * 3 * 2 * 4);
}

TEST_CASE("slices of a tensor are matrices, as they are or transposed, padded with zeros") {
  Fixture f({f32("kv.weight", 6, 2)});
  const auto rows = [](std::vector<int64_t> units) {
    return Part{.unit = 1, .units = std::move(units), .padded_units = 2};
  };
  const std::vector<Part> slices = {rows({1, 2}), rows({4, 5}), rows({})};
  const Matrix& m = (f.root() / "kv").sliced({6, 2}, slices);
  CHECK(m.spec().count == 3);
  CHECK(values_of(m) == std::vector<float>{100, 101, 200, 201, 400, 401, 500, 501, 0, 0, 0, 0});
  const Matrix& turned = (f.root() / "kv").sliced_transposed({6, 2}, slices);
  CHECK(turned.spec().out == 2);
  CHECK(values_of(turned) ==
        std::vector<float>{100, 200, 101, 201, 400, 500, 401, 501, 0, 0, 0, 0});
}

TEST_CASE("what a model ignores on purpose does not count as unused") {
  Fixture f({f32("layers.1.a.weight", 1, 1), f32("layers.10.a.weight", 1, 1)});
  CHECK((f.root() / "layers" / "1").ignore() == 1);
  CHECK(f.store->unused() == std::vector<std::string>{"layers.10.a.weight"});
  CHECK((f.root() / "layers" / "2").ignore() == 0);
}

TEST_CASE("tensors that nobody asked for are listed, but for rotary tables and a tied head") {
  Fixture f({f32("a.weight", 1, 1), f32("b.weight", 1, 1), f32("lm_head.weight", 1, 1),
             f32("layers.0.rotary_emb.inv_freq", 1, 1)});
  (f.root() / "a").matrix({1, 1}, whole_part(1), whole_part(1));
  CHECK(f.store->unused() == std::vector<std::string>{"b.weight"});
}

TEST_CASE("a header of odd length is legal: its tensors are read all the same") {
  TemporaryFolder folder;
  std::string header = R"({"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";
  while (header.size() % 4 != 1) header += ' ';
  folder.write("model.safetensors", safetensors_file(header, bytes_of_values<float>({1, 2, 3, 4})));
  const auto source = open_checkpoint(folder.path());
  TestDevice device;
  WeightStore store(*source, device, {});
  CHECK(values_of((store.root() / "a").matrix({2, 2}, whole_part(2), whole_part(2))) ==
        std::vector<float>{1, 2, 3, 4});
}

}  // namespace pagoda
