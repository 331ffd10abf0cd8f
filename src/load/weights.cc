#include "load/weights.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <numeric>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/must.h"
#include "base/str.h"
#include "load/band_reader.h"
#include "load/plain_scheme.h"
#include "load/transposed_reader.h"
#include "load/weight_schemes.h"
#include "load/weight_store.h"

namespace pagoda {
namespace {

// Vectors are small and many: they share allocations of this size.
constexpr int64_t kChunkBytes = 1 << 20;
constexpr int64_t kAlignment = 64;

constexpr std::string_view kBias = "bias";

// What older checkpoints store although every engine computes it, and the head that a tied
// embedding replaces.
constexpr std::array<std::string_view, 7> kNeedless = {
    "rotary_emb.inv_freq",   "rotary_emb.cos_cached", "rotary_emb.sin_cached", "rope.freqs",
    "attention.masked_bias", "attn.masked_bias",      "lm_head.weight"};

bool is_needless(std::string_view name) {
  return std::any_of(kNeedless.begin(), kNeedless.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

MatrixSpec spec_of(const BandReader& reader, DType dtype) {
  return {.out = reader.rows(),
          .in = reader.columns(),
          .count = reader.count(),
          .format = reader.format(),
          .dtype = dtype};
}

// Numbers of a row: all dimensions but the first lie side by side.
int64_t row_size(std::initializer_list<int64_t> shape) {
  return std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<>());
}

// How what is read becomes matrices.
struct Form {
  int64_t file_columns;
  Runs columns;
  int64_t count = 1;
  bool is_transposed = false;
};

Runs whole_width(int64_t columns) {
  return runs_of(whole_part(columns), columns);
}

}  // namespace

struct WeightStore::State {
  const WeightSource& source;
  Device& device;
  const WeightStoreOptions options;
  std::unordered_map<std::string, std::unique_ptr<Matrix>> matrices = {};
  const bool is_stored = source.total_bytes() > 0;
  WeightSchemes plain = {};
  std::unordered_set<std::string> used = {};
  std::vector<Buffer> chunks = {};
  int64_t chunk_used = 0;  // bytes of the last chunk
  int64_t bytes = 0, padding_bytes = 0;

  ModuleTensors tensors_of(const std::string& module) {
    // Where nothing is stored nothing is left over; a plan opens 100,000 names many times.
    return {source, module, is_stored ? &used : nullptr};
  }

  const WeightScheme& scheme_of(const std::string& module) const {
    return (options.schemes != nullptr ? *options.schemes : plain).of(module);
  }

  StoredWeight open(const std::string& module, std::span<const int64_t> shape) {
    return scheme_of(module).open(tensors_of(module), shape);
  }

  // The matrix that is kept under `key`, made of the bands where there is none.
  const Matrix& matrix(const std::string& key, std::vector<pagoda::Band> bands, Form form) {
    if (const auto kept = matrices.find(key); kept != matrices.end()) return *kept->second;
    const BandReader reader(std::move(bands),
                            {.file_columns = form.file_columns,
                             .columns = std::move(form.columns),
                             .count = form.count,
                             .wants_floats = form.is_transposed},
                            options.progress);
    MatrixSpec spec = spec_of(reader, options.dtype);
    if (form.is_transposed) std::swap(spec.out, spec.in);
    auto made = form.is_transposed ? device.make_matrix(spec, TransposedReader(reader))
                                   : device.make_matrix(spec, reader);
    reader.finish();
    bytes += made->bytes();
    padding_bytes += static_cast<int64_t>(static_cast<double>(made->bytes()) * reader.padding());
    return *(matrices[key] = std::move(made));
  }

  // f32, copied in.
  Tensor keep(std::initializer_list<int64_t> shape, const float* values) {
    Tensor tensor = make_view(nullptr, shape, DType::kF32);
    tensor.data = allocate(tensor.bytes());
    device.copy_in(tensor, values);
    return tensor;
  }

  void* allocate(int64_t size) {
    size = (size + kAlignment - 1) / kAlignment * kAlignment;
    bytes += size;
    if (chunks.empty() || chunk_used + size > chunks.back().bytes()) {
      chunks.push_back(device.allocate(std::max(size, kChunkBytes)));
      chunk_used = 0;
    }
    auto* data = static_cast<std::byte*>(chunks.back().data()) + chunk_used;
    chunk_used += size;
    return data;
  }

  // Matrix i is the rows slices[i] of the weight of `module` [shape].
  const Matrix& sliced(const std::string& module, std::span<const int64_t> shape,
                       std::span<const Part> slices, bool is_transposed) {
    std::vector<pagoda::Band> bands;
    std::string key = str(module, is_transposed ? " transposed" : " sliced");
    for (const Part& slice : slices) {
      Runs runs = runs_of(slice, shape[0]);
      key += str(" ", runs.text());
      bands.push_back({open(module, shape), std::move(runs)});
    }
    return matrix(key, std::move(bands),
                  {.file_columns = shape[1],
                   .columns = whole_width(shape[1]),
                   .count = static_cast<int64_t>(slices.size()),
                   .is_transposed = is_transposed});
  }

  // Appends this rank's part of <module>.<name> [size] to `values`, zeros where it is padded.
  struct VectorName {
    const std::string& module;
    std::string_view name;
  };
  void append_floats(std::vector<float>& values, const VectorName& vector, int64_t size,
                     const Part& part) {
    const auto tensor =
        tensors_of(vector.module).open(vector.name, std::array{size}, Numbers::kFloats);
    const Runs runs = runs_of(part, size);
    size_t at = values.size();
    values.resize(at + static_cast<size_t>(runs.size));
    std::vector<std::byte> scratch(static_cast<size_t>(bytes_of(tensor->encoding(), size)));
    for (const Run& run : runs.runs) {
      const std::byte* data = tensor->read(run.first, run.count, scratch.data());
      to_floats(values.data() + at, data, run.count, tensor->encoding());
      at += static_cast<size_t>(run.count);
    }
    if (options.progress != nullptr) {
      options.progress->add_bytes(bytes_of(tensor->encoding(), runs.stored()));
    }
  }
};

WeightStore::WeightStore(const WeightSource& source, Device& device,
                         const WeightStoreOptions& options)
    : state_(std::make_unique<State>(State{source, device, options})) {}
WeightStore::~WeightStore() = default;

Weights WeightStore::root() {
  return {*this, ""};
}

int64_t WeightStore::bytes() const {
  return state_->bytes;
}

int64_t WeightStore::padding_bytes() const {
  return state_->padding_bytes;
}

std::vector<std::string> WeightStore::unused() const {
  std::vector<std::string> unused;
  for (std::string& name : state_->source.names()) {
    if (!state_->used.contains(name) && !is_needless(name)) unused.push_back(std::move(name));
  }
  return unused;
}

void log_unused_weights(const WeightStore& store) {
  constexpr size_t kMostListed = 5;
  const std::vector<std::string> unused = store.unused();
  if (unused.empty()) return;
  std::string names;
  for (size_t i = 0; i < std::min(unused.size(), kMostListed); ++i) {
    names += str(i == 0 ? "" : ", ", unused[i]);
  }
  if (unused.size() > kMostListed) names += ", ...";
  LOG_WARNING("{} tensors of the checkpoint are not used by this model: {}", unused.size(), names);
}

Weights Weights::operator/(std::string_view child) const {
  return {*store_, scope_.empty() ? std::string(child) : str(scope_, ".", child)};
}

int Weights::rank() const {
  return store_->state_->options.rank;
}

int Weights::ranks() const {
  return store_->state_->options.ranks;
}

DType Weights::dtype() const {
  return store_->state_->options.dtype;
}

bool Weights::expert_parallel() const {
  return store_->state_->options.expert_parallel;
}

int64_t Weights::ignore() const {
  int64_t count = 0;
  for (const std::string& name : store_->state_->source.names()) {
    if (!name.starts_with(str(scope_, "."))) continue;
    store_->state_->used.insert(name);
    ++count;
  }
  return count;
}

bool Weights::has(std::string_view tensor) const {
  return store_->state_->source.has((*this / tensor).scope_);
}

const Matrix& Weights::matrix(std::initializer_list<int64_t> shape, const Part& rows,
                              const Part& columns) const {
  MUST(shape.size() >= 2);
  const int64_t file_rows = *shape.begin(), file_columns = row_size(shape);
  Runs row_runs = runs_of(rows, file_rows), column_runs = runs_of(columns, file_columns);
  const std::string key = str(scope_, " ", row_runs.text(), " x ", column_runs.text());
  WeightStore::State& state = *store_->state_;
  // Opened even if it is kept already: the shape is checked wherever it is stated.
  std::vector<pagoda::Band> bands;
  bands.push_back({state.open(scope_, shape), std::move(row_runs)});
  return state.matrix(key, std::move(bands),
                      {.file_columns = file_columns, .columns = std::move(column_runs)});
}

const Matrix& Weights::matrix(std::initializer_list<int64_t> shape, const Part& rows) const {
  return matrix(shape, rows, whole(row_size(shape)));
}

std::vector<const Matrix*> Weights::stacked(const std::vector<Band>& bands, int64_t columns) const {
  WeightStore::State& state = *store_->state_;
  std::vector<const Matrix*> matrices;
  std::vector<pagoda::Band> run;
  std::string key;
  const auto end_run = [&] {
    const Form form = {.file_columns = columns, .columns = whole_width(columns)};
    matrices.push_back(&state.matrix(key, std::exchange(run, {}), form));
    key.clear();
  };
  for (const Band& band : bands) {
    const std::string module = (*this / band.name).scope_;
    StoredWeight weight = state.open(module, std::array{band.rows, columns});
    if (!run.empty() && !can_stand_together(run.back().weight, weight)) end_run();
    Runs rows = runs_of(band.part, band.rows);
    key += str(module, " ", rows.text(), ";");
    run.push_back({std::move(weight), std::move(rows)});
  }
  end_run();
  return matrices;
}

const Matrix& Weights::numbered(std::span<const int64_t> numbers, const std::vector<Band>& bands,
                                int64_t columns, const Part& part) const {
  WeightStore::State& state = *store_->state_;
  Runs column_runs = runs_of(part, columns);
  // There may be hundreds of numbers in each of many layers, all with the same rows.
  std::vector<Runs> runs;
  std::string key = str("x ", column_runs.text());
  for (const Band& band : bands) {
    runs.push_back(runs_of(band.part, band.rows));
    key += str(";", band.name, " ", runs.back().text());
  }
  key += str(";", scope_);
  std::vector<pagoda::Band> opened;
  opened.reserve(numbers.size() * bands.size());
  for (const int64_t number : numbers) {
    const std::string scope = str(scope_, ".", number, ".");
    key += str(";", number);
    for (size_t i = 0; i < bands.size(); ++i) {
      const Band& band = bands[i];
      opened.push_back(
          {state.open(str(scope, band.name), std::array{band.rows, columns}), runs[i]});
    }
  }
  return state.matrix(key, std::move(opened),
                      {.file_columns = columns,
                       .columns = std::move(column_runs),
                       .count = static_cast<int64_t>(numbers.size())});
}

const Matrix& Weights::sliced(std::initializer_list<int64_t> shape,
                              std::span<const Part> slices) const {
  return store_->state_->sliced(scope_, shape, slices, false);
}

const Matrix& Weights::sliced_transposed(std::initializer_list<int64_t> shape,
                                         std::span<const Part> slices) const {
  return store_->state_->sliced(scope_, shape, slices, true);
}

Part Weights::share_inputs(int64_t size) const {
  WeightStore::State& state = *store_->state_;
  const WeightScheme& scheme = state.scheme_of(scope_);
  const int64_t unit = scheme.is_plain(state.tensors_of(scope_)) ? 1 : scheme.input_unit();
  return share_groups(size, unit, rank(), ranks());
}

Tensor Weights::stacked_bias(const std::vector<Band>& bands) const {
  std::vector<float> values;
  for (const Band& band : bands) {
    store_->state_->append_floats(values, {(*this / band.name).scope_, kBias}, band.rows,
                                  band.part);
  }
  return store_->state_->keep({static_cast<int64_t>(values.size())}, values.data());
}

Tensor Weights::vector(int64_t size, float plus) const {
  std::vector<float> values;
  store_->state_->append_floats(values, {scope_, kPlainWeight}, size, whole_part(size));
  for (float& value : values) value += plus;
  return store_->state_->keep({size}, values.data());
}

Tensor Weights::vector(std::string_view tensor, int64_t size) const {
  return vector(tensor, size, whole_part(size));
}

Tensor Weights::vector(std::string_view tensor, int64_t size, const Part& part) const {
  std::vector<float> values;
  store_->state_->append_floats(values, {scope_, tensor}, size, part);
  return store_->state_->keep({part.size()}, values.data());
}

Tensor Weights::bias(int64_t size, const Part& part) const {
  std::vector<float> values;
  store_->state_->append_floats(values, {scope_, kBias}, size, part);
  return store_->state_->keep({part.size()}, values.data());
}

Tensor Weights::constant(std::initializer_list<int64_t> shape, const float* values) const {
  return store_->state_->keep(shape, values);
}

}  // namespace pagoda
