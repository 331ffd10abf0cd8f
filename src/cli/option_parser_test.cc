#include "cli/option_parser.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_writer.h"
#include "cli/option_value.h"

namespace pagoda {
namespace {

namespace json = boost::json;
using Arguments = std::vector<std::string>;

// One option's value as JSON; "absent" where it was not given.
std::string value_of(const ParsedOptions& parsed, std::string_view name) {
  const auto given = parsed.given.find(name);
  return given == parsed.given.end() ? "absent" : to_json(given->second.value);
}

std::string value_of(const Arguments& arguments, std::string_view name) {
  return value_of(parse_options(arguments, EntryPoint::kServe), name);
}

std::string refusal_of(const Arguments& arguments, EntryPoint entry = EntryPoint::kServe) {
  try {
    parse_options(arguments, entry);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kConfig);
    return e.what();
  }
  return "accepted";
}

// A file that is gone at the end of the test.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& text)
      : path_(std::filesystem::temp_directory_path() / (std::to_string(getpid()) + "-" + name)) {
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST_CASE("a value follows its option after a blank or after =") {
  CHECK(value_of({"--port", "8001"}, "port") == "8001");
  CHECK(value_of({"--port=8001"}, "port") == "8001");
  CHECK(value_of({"--chat-template=a=b"}, "chat-template") == R"("a=b")");
  CHECK(value_of({"-tp", "4"}, "tensor-parallel-size") == "4");
  CHECK(value_of({"-tp=4"}, "tensor-parallel-size") == "4");
}

TEST_CASE("underscores are dashes in names, but not in values and keys") {
  CHECK(value_of({"--max_model_len", "26240"}, "max-model-len") == "26240");
  CHECK(value_of({"--enable_expert_parallel"}, "enable-expert-parallel") == "true");
  CHECK(value_of({"--served_model_name=a_b"}, "served-model-name") == R"(["a_b"])");
  CHECK(value_of({"--hf_overrides.num_layers", "2"}, "hf-overrides") == R"({"num_layers":2})");
}

TEST_CASE("a name may be cut short where only one begins so") {
  CHECK(value_of({"--tensor-p", "2"}, "tensor-parallel-size") == "2");
  CHECK(value_of({"--no-enable-pre"}, "enable-prefix-caching") == "false");
  CHECK(refusal_of({"--ssl-c", "x"}) ==
        "ambiguous option: --ssl-c could match --ssl-certfile, --ssl-ca-certs, --ssl-cert-reqs");
}

TEST_CASE("a flag has a form that switches it off") {
  CHECK(value_of({"--enable-prefix-caching"}, "enable-prefix-caching") == "true");
  CHECK(value_of({"--no-enable-prefix-caching"}, "enable-prefix-caching") == "false");
  CHECK(value_of({"--enable-prefix-caching=False"}, "enable-prefix-caching") == "false");
  CHECK(value_of({"--no_enable_chunked_prefill"}, "enable-chunked-prefill") == "false");
  CHECK(value_of({"--enforce-eager", "folder"}, "model") == R"("folder")");
}

TEST_CASE("the last of several values counts, and None takes a value back") {
  CHECK(value_of({"--port", "1", "--port", "2"}, "port") == "2");
  CHECK(value_of({"--max-model-len", "4", "--max-model-len", "None"}, "max-model-len") == "absent");
  CHECK(refusal_of({"--port", "None"}) == R"(--port: "None" is not a whole number)");
}

TEST_CASE("lengths are written as people write them") {
  CHECK(human_integer("4096") == 4096);
  CHECK(human_integer("1k") == 1000);
  CHECK(human_integer("1K") == 1024);
  CHECK(human_integer("25.6k") == 25600);
  CHECK(human_integer("2m") == 2000000);
  CHECK(human_integer("2M") == 2097152);
  CHECK(human_integer("1g") == 1000000000);
  CHECK(human_integer("1G") == 1073741824);
  for (const char* wrong :
       {"", "k", "25.6K", "1t", "1T", "1e3", "1.2.3k", "-", "0x10", "99999G99"}) {
    CAPTURE(wrong);
    CHECK(!human_integer(wrong).has_value());
  }
  CHECK(refusal_of({"--max-model-len", "32x"}) ==
        R"(--max-model-len: "32x" is not a whole number; write 4096, 4k (4000) or 4K (4096))");
}

TEST_CASE("JSON options take JSON, single keys, and items of lists") {
  CHECK(value_of({"--rope-scaling", R"({"a": 1})"}, "rope-scaling") == R"({"a":1})");
  CHECK(value_of({"--rope-scaling.a", "1", "--rope-scaling.b.c=x"}, "rope-scaling") ==
        R"({"a":1,"b":{"c":"x"}})");
  CHECK(value_of({"--hf-overrides.list+", "a,b", "--hf-overrides.list+", "c"}, "hf-overrides") ==
        R"({"list":["a","b","c"]})");
  CHECK(value_of({"--hf-overrides", R"({"a": {"b": 1}})", "--hf-overrides.a.c", "true"},
                 "hf-overrides") == R"({"a":{"b":1,"c":true}})");
  CHECK(value_of({"--hf-overrides.a", "8.5"}, "hf-overrides") == R"({"a":8.5})");
  CHECK(refusal_of({"--port.a", "1"}) ==
        "--port.a: --port takes one value, not keys; only JSON options have keys");
  CHECK(refusal_of({"--hf-overrides", "[1]"})
            .starts_with(R"(--hf-overrides: "[1]" is not a JSON object)"));
  CHECK(refusal_of({"--hf-overrides", "{a"}).starts_with(R"(--hf-overrides: "{a" is not JSON)"));
}

TEST_CASE("-O3 is the compilation level in all its spellings") {
  for (const Arguments& arguments :
       {Arguments{"-O3"}, {"-O", "3"}, {"-O=3"}, {"-O.level", "3"}, {"-O", R"({"level": 3})"}}) {
    CHECK(value_of(arguments, "compilation-config") == R"({"level":3})");
  }
  CHECK(value_of({"-qawq"}, "quantization") == R"("awq")");
}

TEST_CASE("an option of several values takes all up to the next option") {
  const Arguments arguments = {"serve-me", "--served-model-name", "a", "b", "c", "--port", "1"};
  CHECK(value_of(arguments, "served-model-name") == R"(["a","b","c"])");
  CHECK(value_of(arguments, "model") == R"("serve-me")");
  CHECK(value_of({"--lora-modules", "a=/x", R"({"name":"b"})"}, "lora-modules") ==
        R"(["a=/x","{\"name\":\"b\"}"])");
  CHECK(value_of({"--allowed-origins", R"(["http://a", "http://b"])"}, "allowed-origins") ==
        R"(["http://a","http://b"])");
  CHECK(refusal_of({"--served-model-name", "--port", "1"}) ==
        "--served-model-name: expected at least one argument: --served-model-name NAME ...");
}

TEST_CASE("a wrong value is named with what is right") {
  CHECK(refusal_of({"--port"}) == "--port: expected one argument: --port PORT");
  CHECK(refusal_of({"--port", "--host", "x"}) == "--port: expected one argument: --port PORT");
  CHECK(refusal_of({"--port", "70000"}) == R"(--port: "70000" is too large; at most 65535)");
  CHECK(refusal_of({"--seed", "-1"}) == R"(--seed: "-1" is too small; at least 0)");
  CHECK(
      refusal_of({"--dtype", "fp4"}) ==
      R"(--dtype: "fp4" is not possible; choose one of auto, half, float16, bfloat16, float, float32)");
  CHECK(refusal_of({"--gpu-memory-utilization", "nan"}) ==
        R"(--gpu-memory-utilization: "nan" is not a number)");
  CHECK(refusal_of({"--block-size", "17"}) ==
        R"(--block-size: "17" is not possible; choose one of 1, 8, 16, 32, 64, 128)");
}

TEST_CASE("an unknown option gets the one that is written most like it") {
  CHECK(refusal_of({"--max-model-length", "5"}) ==
        "unrecognized arguments: --max-model-length; did you mean --max-model-len?");
  CHECK(refusal_of({"--prot=1"}) == "unrecognized arguments: --prot; did you mean --port?");
  CHECK(refusal_of({"--zzzzzzzzzzzz"}) ==
        "unrecognized arguments: --zzzzzzzzzzzz; --help lists the options");
  CHECK(refusal_of({"-x"}).starts_with("unrecognized arguments: -x"));
}

TEST_CASE("serve takes its model without --model, the other entry point only with it") {
  CHECK(refusal_of({"--model", "x"}) ==
        "With `vllm serve`, you should provide the model as a positional argument or in a config "
        "file instead of via the `--model` option.");
  CHECK(refusal_of({"a", "b"}) ==
        "unrecognized arguments: b; the model is a already, and one server serves one model");
  const auto parsed = parse_options(Arguments{"--model", "x"}, EntryPoint::kApiServer);
  CHECK(value_of(parsed, "model") == R"("x")");
  CHECK(refusal_of({"x"}, EntryPoint::kApiServer).starts_with("unrecognized arguments: x;"));
}

TEST_CASE("the command line wins over the file of --config") {
  const TemporaryFile file("options.yaml",
                           "model: from-file\n"
                           "port: 12312\n"
                           "max_model_len: 25.6k\n"
                           "served-model-name: [a, b]\n"
                           "enable-prefix-caching: false\n"
                           "enforce-eager: true\n"
                           "hf-overrides: {a: {b: 1}}\n"
                           "revision: \"1.10\"\n"
                           "seed: null\n");
  const auto parsed =
      parse_options(Arguments{"--config", file.path(), "--port", "1"}, EntryPoint::kServe);
  CHECK(value_of(parsed, "model") == R"("from-file")");
  CHECK(value_of(parsed, "port") == "1");
  CHECK(value_of(parsed, "max-model-len") == "25600");
  CHECK(value_of(parsed, "served-model-name") == R"(["a","b"])");
  CHECK(value_of(parsed, "enable-prefix-caching") == "false");
  CHECK(value_of(parsed, "enforce-eager") == "true");
  CHECK(value_of(parsed, "hf-overrides") == R"({"a":{"b":1}})");
  CHECK(value_of(parsed, "revision") == R"("1.10")");
  CHECK(value_of(parsed, "seed") == "absent");
  CHECK(value_of(Arguments{"typed", "--config", file.path()}, "model") == R"("typed")");
}

TEST_CASE("a file of options that is not right is named with what is wrong") {
  const TemporaryFile unknown("unknown.yaml", "prt: 1\n"), list("list.yaml", "- a\n"),
      broken("broken.yaml", "a: [\n"), nested("nested.yaml", "config: other.yaml\n"),
      ill_typed("ill.yaml", "port: [1, 2]\n");
  const auto refusal = [](const std::string& path) { return refusal_of({"--config", path}); };
  CHECK(refusal(unknown.path()) ==
        "unrecognized arguments: " + unknown.path() + ": prt; did you mean --port?");
  CHECK(refusal(list.path()).ends_with("is not a mapping; write lines such as `port: 8000`"));
  CHECK(refusal(broken.path()).find("line 2") != std::string::npos);
  CHECK(refusal(nested.path()).ends_with("config: a configuration file cannot name another"));
  CHECK(refusal(ill_typed.path()).ends_with(R"("[1,2]" is a list; one value is expected)"));
  CHECK(refusal("options.json") ==
        R"(--config: "options.json" is not of a yaml/yml type; name a .yaml file)");
  CHECK(refusal("/nowhere/x.yaml").find("/nowhere/x.yaml") != std::string::npos);
  CHECK(refusal_of({"--config", list.path(), "--config", list.path()}) ==
        "--config: given twice; put all options into one file");
}

TEST_CASE("--help ends parsing and keeps its topic") {
  CHECK(parse_options(Arguments{"--help"}, EntryPoint::kServe).help == "");
  CHECK(parse_options(Arguments{"-h"}, EntryPoint::kServe).help == "");
  CHECK(parse_options(Arguments{"x", "--help=ModelConfig", "--wrong"}, EntryPoint::kServe).help ==
        "ModelConfig");
}

TEST_CASE("the form of the log is known before the options are, wherever it is given") {
  const auto is_json = [](const Arguments& arguments) {
    return wanted_log_format(arguments) == LogFormat::kJson;
  };
  CHECK(is_json({"serve", "m", "--log-format", "json", "--port", "x"}));
  CHECK(is_json({"--model", "m", "--log_format=json"}));
  CHECK(is_json({"serve", "m", "--log-f", "json"}));
  CHECK_FALSE(is_json({"serve", "m", "--log-format"}));
  CHECK_FALSE(is_json({"serve", "json", "--log-config-file", "json"}));
  CHECK_FALSE(is_json({"serve", "m", "--config", "/nowhere.yaml"}));

  const auto file = std::filesystem::temp_directory_path() / "pagoda_log_format_test.yaml";
  std::ofstream(file) << "log_format: json\n";
  CHECK(is_json({"serve", "--config", file.string(), "--port", "x"}));
  CHECK_FALSE(is_json({"serve", "--config", file.string(), "--log-format", "text"}));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace pagoda
