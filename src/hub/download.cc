#include "hub/download.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <deque>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/mutex.h"
#include "base/str.h"
#include "hub/amounts.h"
#include "hub/digest.h"
#include "hub/partial_file.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// A file that is being fetched. One piece goes first; its answer tells whether the server knows
// ranges. If so, the others follow in parallel; if not, that one request brings the whole file.
struct Fetch {
  WantedFile wanted;
  PartialFile partial;
  size_t open_pieces = 0;  // under Downloader::mutex_
  bool is_split = false;   // the same; all pieces are on their way
  bool is_whole = false;   // one request brings it all; only used while one piece is on its way
  int spoiled = 0;         // how often its checksum was wrong

  Fetch(WantedFile w, int64_t piece_bytes)
      : wanted(std::move(w)), partial(wanted.partial, wanted.source.bytes, piece_bytes) {}
  int64_t bytes() const { return partial.bytes(); }
  const std::string& name() const { return wanted.source.path; }
};

// "bytes 5-7/9": its first byte and the file's size, where it is of that form.
struct ContentRange {
  int64_t first = 0;
  std::optional<int64_t> bytes;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  ContentRange range;
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), range.first);
  const size_t slash = text.find('/');
  if (error != std::errc() || *stop != '-' || slash == std::string_view::npos) return std::nullopt;
  const std::string_view total = text.substr(slash + 1);
  int64_t bytes = 0;
  if (std::from_chars(total.data(), total.data() + total.size(), bytes).ec == std::errc()) {
    range.bytes = bytes;
  }
  return range;
}

// The part of a file that one request brings: [next, end), less with every byte that comes.
struct Part {
  int64_t next, end;
};

bool is_success(int status) {
  return status == 200 || status == 206;
}

// Why an answer is not what was asked for; "" if it is.
std::string misfit(const FetchResponse& head, const Part& part, int64_t file_bytes) {
  if (!is_success(head.status)) return "";
  std::string total = head.header("content-length").value_or("");
  if (head.status == 206) {
    const std::string text = head.header("content-range").value_or("no Content-Range");
    const auto range = parse_content_range(text);
    if (!range || range->first != part.next) {
      return str("asked for bytes from ", part.next, " on, the answer is \"", text, "\"");
    }
    total = range->bytes ? str(*range->bytes) : "";
  }
  if (total.empty() || total == str(file_bytes)) return "";
  return str("it has ", total, " bytes, but the hub lists ", file_bytes);
}

// What a partial file takes of the disk: it has holes.
int64_t bytes_on_disk(const fs::path& path) {
  constexpr int64_t kBlockBytes = 512;  // of st_blocks, whatever the file system
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_blocks * kBlockBytes : 0;
}

// Before anything is written: a disk that is filled to the brim hurts others too.
void check_space(const std::vector<WantedFile>& files, std::string_view what) {
  constexpr int64_t kMost = int64_t{1} << 62;  // a listing may claim any number, and many of them
  int64_t missing = 0;
  for (const WantedFile& file : files) {
    const int64_t more = file.source.bytes - bytes_on_disk(file.partial);
    missing += std::clamp<int64_t>(more, 0, kMost - missing);
  }
  std::error_code error;
  fs::path folder = files.front().partial.parent_path();
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= static_cast<uintmax_t>(missing)) return;
  throw Error(ErrorKind::kConfig,
              str(folder.string(), ": ", what, " needs ", bytes_text(missing), " more, but ",
                  bytes_text(static_cast<int64_t>(space.available)),
                  " are free; free some space, or name another folder (--download-dir, HF_HOME "
                  "or MODELSCOPE_CACHE)"));
}

class Downloader {
 public:
  Downloader(const HubClient& client, const HubListing& listing, DownloadProgress& progress)
      : client_(client), listing_(listing), progress_(progress) {}

  void run(std::vector<WantedFile> files, std::string_view what);

 private:
  // piece == num_pieces(): nothing is missing but the check.
  struct Job {
    size_t file, piece;
  };

  void begin(std::string_view what);
  void work();
  std::optional<Job> take_job();
  void add_first_job(size_t file);
  void split(const Job& job);
  void close_piece(const Job& job);

  void fetch_piece(const Job& job);
  FetchResponse request_part(const Job& job, Part& part, Attempts& attempts);
  std::string accept(const Job& job, const FetchResponse& head, Part& part);
  void keep(const Job& job, Part& part, std::span<const std::byte> data);
  void forget(size_t file);

  void finish(size_t file);
  std::string checksum_complaint(const Fetch& fetch) const;
  void fail(const Error& error);
  bool is_stopped() const;
  [[noreturn]] void reject_status(const Fetch& fetch, int status) const;

  const HubClient& client_;
  const HubListing& listing_;
  DownloadProgress& progress_;
  std::deque<Fetch> files_;  // a deque: they do not move
  std::atomic<bool> failed_ = false;

  Mutex mutex_;
  Condition changed_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  size_t unfinished_files_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

void Downloader::run(std::vector<WantedFile> files, std::string_view what) {
  const int64_t piece_bytes = client_.network().piece_bytes;
  check_space(files, what);
  for (WantedFile& file : files) files_.emplace_back(std::move(file), piece_bytes);
  begin(what);
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(client_.network().connections));
  for (int i = 0; i < client_.network().connections; ++i) {
    threads.emplace_back([this] { work(); });
  }
  for (std::thread& thread : threads) thread.join();
  progress_.end();
  const MutexLock lock(mutex_);
  if (error_) throw Error(*error_);
}

void Downloader::begin(std::string_view what) {
  std::vector<DownloadedFile> rows;
  for (const Fetch& fetch : files_) {
    rows.push_back({fetch.name(), fetch.bytes(), fetch.partial.total_done()});
  }
  progress_.begin(what, std::move(rows));
  {
    const MutexLock lock(mutex_);
    unfinished_files_ = files_.size();
  }
  for (size_t file = 0; file < files_.size(); ++file) add_first_job(file);
}

void Downloader::work() {
  try {
    while (const auto job = take_job()) {
      fetch_piece(*job);
      if (!failed_) close_piece(*job);
    }
  } catch (const Error& error) {
    fail(error);
  } catch (const std::exception& error) {
    fail(Error(ErrorKind::kDevice, error.what()));
  }
}

void Downloader::fail(const Error& error) {
  const MutexLock lock(mutex_);
  // After the first failure the others only say that they were stopped.
  if (!error_) error_ = error;
  failed_ = true;
  changed_.notify_all();
}

// By the failure of another piece, or by whoever wants this download no more.
bool Downloader::is_stopped() const {
  const auto& is_cancelled = client_.network().is_cancelled;
  return failed_ || (is_cancelled && is_cancelled());
}

std::optional<Downloader::Job> Downloader::take_job() {
  MutexLock lock(mutex_);
  while (!failed_ && jobs_.empty() && unfinished_files_ > 0) changed_.wait(lock);
  if (failed_ || jobs_.empty()) return std::nullopt;
  const Job job = jobs_.front();
  jobs_.pop_front();
  return job;
}

bool is_piece_whole(const PartialFile& file, size_t piece) {
  const auto [first, end] = file.range(piece);
  return file.done(piece) == end - first;
}

void Downloader::add_first_job(size_t file) {
  Fetch& fetch = files_[file];
  size_t piece = 0;
  while (piece < fetch.partial.num_pieces() && is_piece_whole(fetch.partial, piece)) ++piece;
  const MutexLock lock(mutex_);
  fetch.is_split = false;
  fetch.open_pieces = 1;
  jobs_.push_back({file, piece});
  changed_.notify_one();
}

// The server knows ranges: the pieces after the first one that was missing follow.
void Downloader::split(const Job& job) {
  Fetch& fetch = files_[job.file];
  const MutexLock lock(mutex_);
  if (fetch.is_split) return;
  fetch.is_split = true;
  std::deque<Job> others;
  for (size_t piece = job.piece + 1; piece < fetch.partial.num_pieces(); ++piece) {
    if (!is_piece_whole(fetch.partial, piece)) others.push_back({job.file, piece});
  }
  fetch.open_pieces += others.size();
  // Before the next files, so that few files are half done at a time.
  jobs_.insert(jobs_.begin(), others.begin(), others.end());
  changed_.notify_all();
}

void Downloader::close_piece(const Job& job) {
  {
    const MutexLock lock(mutex_);
    if (--files_[job.file].open_pieces > 0) return;
  }
  finish(job.file);
}

void Downloader::fetch_piece(const Job& job) {
  const Fetch& fetch = files_[job.file];
  if (job.piece == fetch.partial.num_pieces()) return;
  Attempts attempts = client_.attempts();
  while (!failed_) {
    check_not_cancelled(client_.network());
    const auto [first, end] = fetch.partial.range(job.piece);
    Part part = {first + fetch.partial.done(job.piece), end};
    if (fetch.is_whole) part = {0, fetch.bytes()};
    const FetchResponse answer = request_part(job, part, attempts);
    if (failed_ || (part.next == part.end && is_success(answer.status))) return;
    const bool is_refused = answer.failure == FetchFailure::kNone && !is_success(answer.status);
    if (is_refused && !is_transient(answer)) reject_status(fetch, answer.status);
    if (!is_transient(answer) || !attempts.again(answer)) {
      client_.reject(answer, fetch.wanted.source.url);
    }
  }
}

// Asks once for what is missing of a piece. What comes is kept, and `part` is what is missing
// then. An answer that does not fit fails as kOther, one that is too short as kCut.
FetchResponse Downloader::request_part(const Job& job, Part& part, Attempts& attempts) {
  const Fetch& fetch = files_[job.file];
  std::string complaint;
  FetchRequest request = client_.request(fetch.wanted.source.url);
  if (fetch.is_whole) forget(job.file);
  const bool is_all = part.next == 0 && part.end == fetch.bytes();
  if (!is_all) request.range = {part.next, part.end - 1};
  request.is_wanted = [&](const FetchResponse& head) {
    complaint = accept(job, head, part);
    return complaint.empty();
  };
  request.is_cancelled = [this] { return is_stopped(); };
  FetchResponse answer = http_get(request, [&](int status, std::span<const std::byte> data) {
    if (!is_success(status)) return true;
    const auto missing = static_cast<size_t>(part.end - part.next);
    if (data.size() > missing) complaint = "more bytes came than were asked for";
    keep(job, part, data.first(std::min(data.size(), missing)));
    attempts.note_success();
    return complaint.empty() && !is_stopped();
  });
  if (!complaint.empty()) {
    answer.failure = FetchFailure::kOther;
    answer.reason = str(fetch.name(), ": ", complaint);
  } else if (answer.failure == FetchFailure::kNone && is_success(answer.status) &&
             part.next < part.end) {
    answer.failure = FetchFailure::kCut;
    answer.reason = str(fetch.name(), ": the answer ended before the file");
  }
  return answer;
}

// Looks at the head of an answer. Returns why its body is not what `part` says, "" if it is; `part`
// becomes the whole file if the server ignores ranges.
std::string Downloader::accept(const Job& job, const FetchResponse& head, Part& part) {
  Fetch& fetch = files_[job.file];
  if (!is_success(head.status)) return "";
  std::string complaint = misfit(head, part, fetch.bytes());
  if (!complaint.empty()) return complaint;
  const bool is_all = part.next == 0 && part.end == fetch.bytes();
  if (is_all) return "";
  if (head.status == 206) {
    split(job);
  } else if (fetch.is_split) {
    return "asked for a part, the answer is the whole file, though others were parts";
  } else {
    fetch.is_whole = true;
    forget(job.file);
    part = {0, fetch.bytes()};
  }
  return "";
}

void Downloader::keep(const Job& job, Part& part, std::span<const std::byte> data) {
  PartialFile& file = files_[job.file].partial;
  while (!data.empty()) {
    const auto piece = static_cast<size_t>(part.next / client_.network().piece_bytes);
    const int64_t room = file.range(piece).second - part.next;
    const size_t now = std::min(data.size(), static_cast<size_t>(room));
    file.append(piece, data.first(now));
    data = data.subspan(now);
    part.next += static_cast<int64_t>(now);
    progress_.advance(job.file, static_cast<int64_t>(now));
  }
}

void Downloader::forget(size_t file) {
  PartialFile& partial = files_[file].partial;
  const int64_t done = partial.total_done();
  if (done == 0) return;
  partial.clear();
  progress_.advance(file, -done);
}

// "" if the file is what the hub says.
std::string Downloader::checksum_complaint(const Fetch& fetch) const {
  const HubFile& source = fetch.wanted.source;
  const bool is_git = source.sha256.empty();
  const std::string& expected = is_git ? source.git_sha1 : source.sha256;
  if (expected.empty()) return "";
  const fs::path& path = fetch.partial.path();
  const std::string found =
      is_git ? git_sha1_of_file(path, fetch.bytes()) : sha256_of_file(path, fetch.bytes());
  if (found == expected) return "";
  return str("the ", is_git ? "Git SHA-1" : "SHA-256", " of what came is ", found,
             ", the hub lists ", expected);
}

void Downloader::finish(size_t file) {
  Fetch& fetch = files_[file];
  const std::string complaint = checksum_complaint(fetch);
  if (!complaint.empty()) {
    forget(file);
    if (++fetch.spoiled == 2) {
      throw Error(ErrorKind::kDevice, str(fetch.name(), ": ", complaint,
                                          ", twice; a proxy or mirror changes it on the "
                                          "way: use another (https_proxy, ",
                                          client_.remedies().endpoint, "), then start again"));
    }
    progress_.say(str(fetch.name(), ": ", complaint, "; loading it once more"));
    return add_first_job(file);
  }
  fetch.partial.strip();
  fetch.partial.move_to(fetch.wanted.target);
  progress_.finish(file);
  const MutexLock lock(mutex_);
  --unfinished_files_;
  changed_.notify_all();
}

void Downloader::reject_status(const Fetch& fetch, int status) const {
  const std::string host = host_of(fetch.wanted.source.url);
  if (status == 401 || status == 403) {
    throw Error(ErrorKind::kConfig,
                str("model: \"", listing_.model, "\" is not for everybody (", host, " answers ",
                    status, " for ", fetch.name(), "); ", listing_.access_remedy));
  }
  throw Error(ErrorKind::kDevice,
              str(host, ": answers status ", status, " for ", fetch.name(), " of ", listing_.model,
                  ", which it listed; start again, or use another mirror"));
}

}  // namespace

void download_files(const HubClient& client, std::vector<WantedFile> files,
                    const HubListing& listing, std::string_view what, DownloadProgress& progress) {
  if (files.empty()) return;
  Downloader(client, listing, progress).run(std::move(files), what);
}

}  // namespace pagoda
