// stats, info: what a store says of itself.
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "cli/json.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace ingot::cli {
namespace {

// Each figure once, for both forms: name, number, and how a person reads it.
class Figures {
 public:
  explicit Figures(Context& context) : context_(context) {}

  void heading(const char* text) {
    if (!context_.json) context_.output.line(std::string(first_ ? "" : "\n") + text);
    first_ = false;
  }
  void count(const char* name, std::uint64_t number) { add(name, number, count_text(number)); }
  void bytes(const char* name, std::uint64_t number) { add(name, number, bytes_text(number)); }
  void dollars(const char* name, double amount) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6f", amount);
    if (context_.json) {
      object_.add_raw(name, text);
    } else {
      print(name, std::string("$ ") + text);
    }
  }
  void text(const char* name, std::string_view text) {
    if (context_.json) {
      object_.add(name, text);
    } else {
      print(name, escaped(text));
    }
  }
  [[nodiscard]] JsonObject& object() { return object_; }

 private:
  void add(const char* name, std::uint64_t number, const std::string& text) {
    if (context_.json) {
      object_.add(name, number);
    } else {
      print(name, text);
    }
  }
  void print(std::string name, const std::string& text) {
    name.resize(24, ' ');
    context_.output.line("  " + name + text);
  }

  Context& context_;
  JsonObject object_;
  bool first_ = true;
};

void print_health(Context& context, const Health& health) {
  context.output.line(health.good ? "health                    good" : "health                    NOT GOOD");
  for (const std::string& problem : health.problems) context.output.line("  " + escaped(problem));
}

std::string conflicts_json(const std::vector<SpaceConflicts>& conflicts) {
  std::string array = "[";
  for (const SpaceConflicts& each : conflicts) {
    if (array.size() > 1) array += ',';
    array += JsonObject().add_bytes("space", each.space).add("conflicts", each.conflicts).finish();
  }
  return array + ']';
}

bool is_bucket(const std::string& where) {
  return where.starts_with("s3://");
}

void add_bucket(Figures& figures, const BucketStats& bucket) {
  figures.heading("requests of this process");
  figures.count("bucket_puts", bucket.puts);
  figures.count("bucket_gets", bucket.gets);
  figures.count("bucket_lists", bucket.lists);
  figures.count("bucket_removes", bucket.removes);
  figures.bytes("bucket_bytes_sent", bucket.bytes_sent);
  figures.bytes("bucket_bytes_received", bucket.bytes_received);
  figures.count("bucket_undecided", bucket.undecided);
  figures.count("bucket_throttled", bucket.throttled);
  figures.count("bucket_lost_races", bucket.lost_races);
  figures.count("bucket_hedged", bucket.hedged);
  figures.count("bucket_reads_fetched", bucket.reads_fetched);
  figures.dollars("bucket_dollars", bucket.dollars);
}

struct DirectorySize {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// Of a store in use: files come and go meanwhile, and one that is gone counts nothing.
DirectorySize size_of(const std::string& directory) {
  DirectorySize size;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(directory, error), end;
  while (!error && entry != end) {
    std::error_code gone;
    if (entry->is_regular_file(gone)) {
      const std::uint64_t bytes = entry->file_size(gone);
      if (!gone) {
        ++size.files;
        size.bytes += bytes;
      }
    }
    entry.increment(error);
  }
  return size;
}

}  // namespace

Exit run_stats(Context& context) {
  const Store store = open_store(context.where(), Access::read);
  const Stats stats = store.stats();
  const Health health = store.health();
  Figures figures(context);
  if (context.json) {
    figures.object().add("health", health.good).add("problems", health.problems);
  } else {
    print_health(context, health);
  }
  figures.heading("store");
  figures.count("version", stats.version);
  figures.count("runs", stats.runs);
  figures.bytes("run_bytes", stats.run_bytes);
  figures.bytes("log_bytes", stats.log_bytes);
  figures.bytes("pinned_bytes", stats.pinned_bytes);
  figures.heading("memory of this process");
  figures.bytes("memory_budget_bytes", stats.memory_budget_bytes);
  figures.bytes("memory_bytes", stats.memory_bytes);
  figures.bytes("memtable_bytes", stats.memtable_bytes);
  figures.bytes("cache_bytes", stats.cache_bytes);
  figures.bytes("index_bytes", stats.index_bytes);
  figures.count("cache_hits", stats.cache_hits);
  figures.count("cache_misses", stats.cache_misses);
  figures.heading("work of this process");
  figures.count("commits", stats.commits);
  figures.count("groups", stats.groups);
  figures.count("conflicts", stats.conflicts);
  figures.count("syncs", stats.syncs);
  figures.count("flushes", stats.flushes);
  figures.count("compactions", stats.compactions);
  figures.bytes("bytes_committed", stats.bytes_committed);
  figures.bytes("bytes_written_log", stats.bytes_written_log);
  figures.bytes("bytes_written_runs", stats.bytes_written_runs);
  figures.count("blocks_healed", stats.blocks_healed);
  figures.count("delayed_commits", stats.delayed_commits);
  figures.count("delayed_microseconds", stats.delayed_microseconds);
  if (is_bucket(context.where())) add_bucket(figures, stats.bucket);
  if (context.json) {
    figures.object().add_raw("conflicts_by_space", conflicts_json(stats.conflicts_by_space));
    context.output.line(figures.object().finish());
  }
  return Exit::done;
}

Exit run_info(Context& context) {
  const std::string where = context.where();
  const Store store = open_store(where, Access::read);
  const Stats stats = store.stats();
  const DirectorySize size = size_of(where);
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(where, error);
  Figures figures(context);
  figures.heading("store");
  figures.text("where", error ? where : path.string());
  figures.text("release", release());
  figures.count("version", stats.version);
  figures.count("spaces", store.spaces().size());
  if (!is_bucket(where)) {
    figures.count("files", size.files);
    figures.bytes("bytes", size.bytes);
  }
  figures.bytes("run_bytes", stats.run_bytes);
  figures.bytes("log_bytes", stats.log_bytes);
  figures.bytes("memory_budget_bytes", stats.memory_budget_bytes);
  if (context.json) context.output.line(figures.object().finish());
  return Exit::done;
}

}  // namespace ingot::cli
