#include "cli/doctor.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test_root.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kGiB = int64_t{1} << 30;

TEST_CASE("memory is a problem when nothing is left for a model, and a limit is told") {
  const FakeRoot root;
  root.write("proc/meminfo", "MemTotal:       67108864 kB\nMemFree: 1 kB\n");
  CHECK(check_memory({64 * kGiB, 60 * kGiB}, root.path()).verdict == Verdict::kGood);
  const Finding limited = check_memory({32 * kGiB, 30 * kGiB}, root.path());
  CHECK(limited.verdict == Verdict::kNote);
  CHECK(limited.found ==
        "30.0 GiB of 32.0 GiB free (the machine has 64.0 GiB, a cgroup limits it)");
  CHECK(check_memory({64 * kGiB, 7 * kGiB}, root.path()).verdict == Verdict::kProblem);
}

TEST_CASE("huge pages that are off are told, with the command that turns them on") {
  const FakeRoot root;
  const std::string file = "sys/kernel/mm/transparent_hugepage/enabled";
  CHECK(check_huge_pages(root.path()).verdict == Verdict::kNote);
  root.write(file, "always [madvise] never\n");
  CHECK(check_huge_pages(root.path()).found == "transparent: madvise");
  root.write(file, "always madvise [never]\n");
  CHECK(check_huge_pages(root.path()).remedy ==
        "as root: echo madvise > " + (root.path() / file).string());
}

TEST_CASE("device nodes are counted, and a driver that is not mounted is missed") {
  const FakeRoot root;
  root.write("dev/null", "");
  CHECK(check_accelerators(root.path()).found == "none; the CPU serves");
  for (const char* name : {"davinci0", "davinci1", "davinci_manager"}) {
    root.write(std::string("dev/") + name, "");
  }
  CHECK(check_accelerators(root.path()).found == "2 Ascend NPU");
  CHECK(check_accelerators(root.path())
            .remedy.starts_with("the driver's /usr/local/Ascend/driver/version.info is missing"));
  root.write("usr/local/Ascend/driver/version.info", "Version=24.1.rc2\n");
  CHECK(check_accelerators(root.path()).found == "2 Ascend NPU, Version=24.1.rc2");
}

TEST_CASE("a port that is taken is a problem") {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(fd, 1) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const Finding taken = check_port("127.0.0.1", ntohs(address.sin_port));
  close(fd);
  CHECK(taken.verdict == Verdict::kProblem);
  CHECK(taken.found.find("Address already in use") != std::string::npos);
  CHECK(check_port("127.0.0.1", 0).verdict == Verdict::kGood);
}

TEST_CASE("a port that cannot be had has the remedy of its reason") {
  CHECK(check_port("192.0.2.1", 0).remedy.find("by --host") != std::string::npos);
  CHECK(check_port("192.0.2.1", 0).verdict == Verdict::kProblem);
}

TEST_CASE("limits of threads and address space are told, those of cgroups too") {
  CHECK(check_address_space(RLIM_INFINITY).verdict == Verdict::kGood);
  CHECK(check_address_space(8 * kGiB).found == "at most 8.0 GiB");
  CHECK(check_address_space(8 * kGiB).verdict == Verdict::kNote);
  CHECK(check_address_space(300'000'000).verdict == Verdict::kProblem);

  const FakeRoot root;
  CHECK(check_threads(RLIM_INFINITY, root.path()).found == "no limit");
  CHECK(check_threads(16, root.path()).verdict == Verdict::kProblem);
  root.write("proc/self/cgroup", "0::/service\n");
  root.write("sys/fs/cgroup/service/pids.max", "100\n");
  const Finding limited = check_threads(RLIM_INFINITY, root.path());
  CHECK(limited.verdict == Verdict::kNote);
  CHECK(limited.found == "at most 100");
  CHECK(limited.remedy.find("pids_limit") != std::string::npos);
  root.write("sys/fs/cgroup/service/pids.max", "max\n");
  CHECK(check_threads(RLIM_INFINITY, root.path()).verdict == Verdict::kGood);
}

TEST_CASE("limits of cores and files, and slow kernels, are told") {
  const Topology free = {.cores = {{0, {0}}, {0, {1}}}, .most_busy = 2};
  CHECK(check_cores(free).verdict == Verdict::kGood);
  const Topology limited = {.cores = {{0, {0}}, {0, {1}}}, .most_busy = 1};
  CHECK(check_cores(limited).found == "2 cores, of which a CPU quota lets 1 be busy at once");
  CHECK(check_open_files(1024).verdict == Verdict::kNote);
  CHECK(check_open_files(RLIM_INFINITY).verdict == Verdict::kGood);
  CHECK(check_instruction_sets("cpu avx2, 2 threads").verdict == Verdict::kGood);
  CHECK(check_instruction_sets("cpu portable, 2 threads").verdict == Verdict::kNote);
}

TEST_CASE("a cache that is not made yet counts as the folder it will be made in") {
  const FakeRoot root;
  const auto findings = check_caches({root.path() / "hub" / "models"});
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].found.find("not made yet") != std::string::npos);
}

TEST_CASE("the report has a line for what was found and one for the remedy") {
  const std::vector<Finding> findings = {{Verdict::kGood, "cores", "2 cores", ""},
                                         {Verdict::kProblem, "port", "taken", "choose another"}};
  CHECK(doctor_report(findings) ==
        "ok       cores             2 cores\n"
        "PROBLEM  port              taken\n"
        "                           -> choose another\n");
  CHECK(has_problem(findings));
  CHECK_FALSE(has_problem({findings[0]}));
}

}  // namespace
}  // namespace pagoda
